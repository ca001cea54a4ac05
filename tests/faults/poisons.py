"""Photos that kill their reader: the colour of a plain photo, by what reading it does to the worker's child."""

POISONS = {"crash": (255, 0, 0), "out_of_memory": (0, 255, 0), "endless_loop": (0, 0, 255)}
