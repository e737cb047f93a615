"""The one exception that the command line turns into one line."""


class UserError(ValueError):
    """A mistake that a user can mend: one sentence on what is wrong and what to type instead.

    The command line prints it as one line and exits with code 2; in Python it is an ordinary
    `ValueError`.

    >>> try:
    ...     raise UserError("no such folder: photos; check the path")
    ... except ValueError as error:
    ...     print(error)
    no such folder: photos; check the path
    """
