"""Options of the commands that read a report."""

from vadray.config.sweeping import VerifyOptions


class ReportOptions(VerifyOptions):
    pass
