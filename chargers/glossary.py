"""OCPP 1.6 as people say it. A word of a maker's own, which nobody has explained to us, stays as it is."""

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from billing import units

Words = Mapping[str, Promise]

# §7.7 ChargePointStatus
STATES: Words = {
    "Available": _("ready for a car"),
    "Preparing": _("a car is plugged in"),
    "Charging": _("a car is charging"),
    "SuspendedEV": _("the car takes nothing at the moment"),
    "SuspendedEVSE": _("the charger gives nothing at the moment"),
    "Finishing": _("charging is over, the car is still plugged in"),
    "Reserved": _("reserved"),
    "Unavailable": _("switched off, or busy with itself"),
    "Faulted": _("out of order"),
}

# §7.6 ChargePointErrorCode
FAULTS: Words = {
    "NoError": _("no fault"),
    "ConnectorLockFailure": _("the plug cannot be locked or let go"),
    "EVCommunicationError": _("the car and the charger do not understand each other"),
    "GroundFailure": _("current leaks to the ground"),
    "HighTemperature": _("it is too hot inside"),
    "InternalError": _("a fault inside of the charger"),
    "LocalListConflict": _("its list of cards does not fit ours"),
    "OtherError": _("another fault"),
    "OverCurrentFailure": _("the current is too high"),
    "OverVoltage": _("the voltage is too high"),
    "PowerMeterFailure": _("its meter does not work"),
    "PowerSwitchFailure": _("its power switch does not work"),
    "ReaderFailure": _("its card reader does not work"),
    "ResetFailure": _("it could not restart"),
    "UnderVoltage": _("the voltage is too low"),
    "WeakSignal": _("its radio signal is weak"),
}

# §7.37 Reason
ENDS: Words = {
    "DeAuthorized": _("the card was refused"),
    "EmergencyStop": _("the emergency button was pressed"),
    "EVDisconnected": _("the car was unplugged"),
    "HardReset": _("the charger was restarted at once"),
    "Local": _("stopped at the charger"),
    "Other": _("for another reason"),
    "PowerLoss": _("the power failed"),
    "Reboot": _("the charger restarted by itself"),
    "Remote": _("stopped from here"),
    "SoftReset": _("the charger was restarted"),
    "UnlockCommand": _("the plug was let go from here"),
}

# §7.2 AuthorizationStatus
VERDICTS: Words = {
    "Accepted": _("yes"),
    "Blocked": _("no, this card may not charge here now"),
    "Expired": _("no, the card has expired"),
    "Invalid": _("no, nobody has registered this card"),
    "ConcurrentTx": _("no, a car is already charging with this card"),
}

# §7.38 RegistrationStatus
WELCOMES: Words = {
    "Accepted": _("welcome"),
    "Pending": _("wait until the operator lets you in"),
    "Rejected": _("no, the operator does not let you in"),
}

# What a charger says to a command: the statuses of all of them.
ANSWERS: Words = {
    "Accepted": _("yes"),
    "AcceptedCanceled": _("yes, and it leaves what it did before"),
    "Failed": _("it did not work"),
    "Faulted": _("it is out of order"),
    "InvalidCertificate": _("no, the certificate is not valid"),
    "NotFound": _("it has no such thing"),
    "NotImplemented": _("it cannot do that"),
    "NotSupported": _("it cannot do that"),
    "Occupied": _("no, the plug is in use"),
    "RebootRequired": _("yes, after its next restart"),
    "Rejected": _("no"),
    "RevokedCertificate": _("no, the certificate was withdrawn"),
    "Scheduled": _("yes, as soon as the car has charged"),
    "Unavailable": _("no, it is switched off"),
    "Unknown": _("there was none"),
    "UnknownMessageId": _("it does not know this message"),
    "UnknownVendorId": _("it does not know this maker"),
    "UnlockFailed": _("the plug did not let go"),
    "Unlocked": _("the plug is free"),
    "VersionMismatch": _("its list of cards is another one"),
}

# §7.25 FirmwareStatus, also of the security whitepaper
UPDATES: Words = {
    "Downloaded": _("downloaded"),
    "DownloadFailed": _("could not be downloaded"),
    "Downloading": _("is being downloaded"),
    "DownloadPaused": _("the download pauses"),
    "DownloadScheduled": _("will be downloaded later"),
    "Idle": _("nothing to do"),
    "InstallationFailed": _("could not be installed"),
    "Installed": _("installed"),
    "Installing": _("is being installed"),
    "InstallRebooting": _("it restarts to install it"),
    "InstallScheduled": _("will be installed later"),
    "InstallVerificationFailed": _("could not be checked after the installation"),
    "InvalidSignature": _("its signature is wrong"),
    "SignatureVerified": _("its signature is right"),
}

# §7.24 DiagnosticsStatus
UPLOADS: Words = {
    "Idle": _("nothing to do"),
    "Uploaded": _("sent"),
    "UploadFailed": _("could not be sent"),
    "Uploading": _("is being sent"),
}


def say(words: Words, told: Any) -> str:
    """`told` is whatever a charger sent; nothing becomes a dash."""
    if not isinstance(told, str) or not told:
        return units.NOTHING
    return str(words.get(told, told))


def both(words: Words, told: Any) -> str:
    """For operators, who look the word up in the standard, too: "the car takes nothing at the moment (SuspendedEV)"."""
    plain = say(words, told)
    return plain if plain in (told, units.NOTHING) else f"{plain} ({told})"


def fault(code: str, info: str) -> str:
    """An error code and what the charger says of it, which is in its own language; empty when all is well."""
    code = "" if code in ("", "NoError") else say(FAULTS, code)
    return f"{code} ({info})" if code and info else code or info
