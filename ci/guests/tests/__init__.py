"""What can be known of guests without booting one."""
