"""The whole system on one machine, each part the program that it is elsewhere too."""
