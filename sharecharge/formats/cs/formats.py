"""Czech where Django's own formats are not enough: the month of a day stands in the genitive."""

MONTH_DAY_FORMAT = "j. E"
