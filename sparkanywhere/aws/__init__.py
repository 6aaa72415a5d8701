"""A deployment on AWS seen from outside, with the credentials of whoever looks: its checks and its trial."""
