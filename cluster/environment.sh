# What Ray and its clients need, on the cluster's machines and on yours: `. cluster/environment.sh`
export RAY_AUTH_MODE=token          # whoever wants something shows the token of ~/.ray/auth_token
export RAY_USAGE_STATS_ENABLED=0
export RAY_JOB_STOP_WAIT_TIME_S=60  # of Ray's 3 s a sweep that is stopped would have to leave its lease behind
if [ -d "$HOME/vadray-environment/bin" ]; then
    # a job's `python` is the first that the head finds
    export PATH="$HOME/vadray-environment/bin:$PATH"
fi
