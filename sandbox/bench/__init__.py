"""What each consumer type costs: load on real servers, every exhibit against the baseline.

Black box: exhibits are known by their URLs.
"""
