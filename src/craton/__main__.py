"""`python -m craton` is the command `craton`."""

from craton.cli import main

if __name__ == "__main__":
    main()
