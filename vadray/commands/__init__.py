"""What each command does: call the package, say it on the terminal, return the exit status and the JSON result."""

from vadray import config
from vadray.commands import evaluating, reading, sweeping, training, trying
from vadray.commands.command import Command

COMMANDS: dict[str, Command] = {
    "demo": Command(
        config.DemoOptions,
        trying.run_demo,
        (),
        "the whole thing on this machine, on a small synthetic archive",
    ),
    "synth": Command(
        config.SynthOptions, trying.run_synth, ("out",), "a synthetic archive with ground truth"
    ),
    "train": Command(
        config.TrainOptions,
        training.run_train,
        ("archive",),
        "train a detector on normal footage and calibrate it",
    ),
    "tune": Command(
        config.TuneOptions,
        training.run_tune,
        ("archive",),
        "search for a better detector, from a starting point",
    ),
    "calibrate": Command(
        config.CalibrateOptions, training.run_calibrate, ("bundle", "archive"), "new thresholds for a bundle"
    ),
    "plan": Command(
        config.PlanOptions, sweeping.run_plan, ("archive",), "what a sweep would do; writes nothing"
    ),
    "sweep": Command(
        config.SweepOptions, sweeping.run_sweep, ("archive",), "score what is new in an archive; resumes"
    ),
    "status": Command(
        config.StatusOptions, sweeping.run_status, ("report",), "where a sweep stands, from storage alone"
    ),
    "verify": Command(
        config.VerifyOptions, sweeping.run_verify, ("report",), "prove from storage that a sweep is complete"
    ),
    "evaluate": Command(
        config.EvaluateOptions,
        evaluating.run_evaluate,
        ("bundle", "dataset"),
        "a bundle against a labelled set",
    ),
    "paper": Command(config.PaperOptions, evaluating.run_paper, ("out",), "the 2024 paper's own experiment"),
    "report": Command(
        config.ReportOptions, reading.run_report, ("report",), "write the HTML page of a sweep"
    ),
    "query": Command(
        config.QueryOptions, reading.run_query, ("report", "sql"), "SQL over a report's committed sweeps"
    ),
    "export": Command(
        config.ExportOptions, reading.run_export, ("report", "out"), "a sweep's rows as JSON Lines or CSV"
    ),
    "clip": Command(
        config.ClipOptions, reading.run_clip, ("report", "event"), "the seconds around an event as a film"
    ),
    "explain": Command(
        config.ExplainOptions, reading.run_explain, ("report", "event"), "why an event scored, in a picture"
    ),
    "label": Command(
        config.LabelOptions,
        reading.run_label,
        ("report", "event", "verdict"),
        "say that an event is right or wrong",
    ),
    "forget": Command(
        config.ForgetOptions,
        sweeping.run_forget,
        ("report", "object_uri"),
        "take an object's rows and pictures out of a report",
    ),
    "compact": Command(
        config.CompactOptions,
        sweeping.run_compact,
        ("report",),
        "small files of a report into large ones; retention",
    ),
    "doctor": Command(
        config.DoctorOptions, trying.run_doctor, ("archive",), "what will work here, and what to change"
    ),
    "bench": Command(config.BenchOptions, trying.run_bench, ("name",), "measure; prints JSON"),
    "models": Command(config.ModelsOptions, trying.run_models, (), "the detectors there are"),
}
