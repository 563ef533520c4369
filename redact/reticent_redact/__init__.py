"""Keep secrets out of what is written: keyed values, free text and files go in and come out without their secrets."""

from reticent_redact.files import SealedFile, Withheld
from reticent_redact.policy import Policy
from reticent_redact.redactor import UNSCANNED, Redactor, SealedText
from reticent_redact.report import Report

__all__ = ["UNSCANNED", "Policy", "Redactor", "Report", "SealedFile", "SealedText", "Withheld"]
