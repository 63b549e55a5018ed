"""Prompt sets: the table, and the way from a user's choice to templates."""

from wiseft_jax.clip.prompts.resolve import fill as fill
from wiseft_jax.clip.prompts.resolve import resolve_templates as resolve_templates
from wiseft_jax.clip.prompts.sets import PROMPT_SETS as PROMPT_SETS
from wiseft_jax.clip.prompts.sets import PromptSet as PromptSet
