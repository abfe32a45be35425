"""Rankers: functions from training clips to one score a joint; `selection.METHODS` names them."""
