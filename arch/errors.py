"""The one exception a user may see: bad input, said in one line with the way to mend it."""


class AssayError(Exception):
    """Bad input. The message is one line: the rule, the offending value, how to mend it.

    The command line prints it on stderr and exits with status 2, without a traceback.
    """
