"""What each consumer type costs: load on real servers, every exhibit beside the baseline.

Black box: exhibits are known by their URLs.
"""
