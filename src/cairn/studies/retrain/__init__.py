"""Does a model that is trained on newer rows replace the one that is in use?"""
