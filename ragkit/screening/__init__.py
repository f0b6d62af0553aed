"""What must not leave the machine, and what must not be obeyed: found before either happens."""
