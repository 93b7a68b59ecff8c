"""Videos of 90 frames whose ranges are hard to reach: keyword arguments of `make_video`, by name of the file."""

import numpy as np

X264 = {"bf": "3", "g": "20", "preset": "veryfast"}
IRREGULAR_PTS = [int(p) for p in np.cumsum(np.random.default_rng(3).integers(5, 120, 90))]

# name, and how it is made
CONTAINERS = {
    "b_frames.mp4": {"options": X264},
    "open_gop.mp4": {"options": {**X264, "x264-params": "open-gop=1:keyint=15:bframes=4:b-pyramid=2"}},
    "intra_refresh.mp4": {"options": {"preset": "veryfast", "x264-params": "intra-refresh=1:keyint=12"}},
    "variable_rate.mp4": {"options": X264, "pts": IRREGULAR_PTS},
    "b_frames.mkv": {"options": X264},
    "variable_rate.mkv": {"options": X264, "pts": IRREGULAR_PTS},
    "open_gop.ts": {"options": {**X264, "x264-params": "open-gop=1:keyint=15:bframes=3"}},
    "late_start.ts": {"options": X264, "pts": [100_000 + 40 * i for i in range(90)]},
    "mpeg2.ts": {"codec": "mpeg2video", "options": {"bf": "2", "g": "12"}},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"g": "12"}},
    "hevc.mp4": {
        "codec": "libx265",
        "options": {"x265-params": "open-gop=1:keyint=20:bframes=4:log-level=0"},
    },
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"g": "20", "deadline": "realtime", "cpu-used": "8"}},
}
