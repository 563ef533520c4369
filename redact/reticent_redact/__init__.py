"""Keep secrets out of what is written: keyed values, free text and files go in and come out without their secrets."""

from reticent_redact.files import SealedFile, Withheld
from reticent_redact.found import UNSCANNED
from reticent_redact.imports import pickle_imports
from reticent_redact.logs import install_logging_filter
from reticent_redact.patterns import PatternError, UserRule
from reticent_redact.policy import Action, Match, Policy
from reticent_redact.redactor import LEFT_OUT, Redactor, SealedText
from reticent_redact.report import Hidden, Report

__all__ = [
    "LEFT_OUT",
    "UNSCANNED",
    "Action",
    "Hidden",
    "Match",
    "PatternError",
    "Policy",
    "Redactor",
    "Report",
    "SealedFile",
    "SealedText",
    "UserRule",
    "Withheld",
    "install_logging_filter",
    "pickle_imports",
]
