"""Published lists of classes: files, the table of them, and how they are read."""

from wiseft_jax.data.class_lists.rows import ClassRow as ClassRow
from wiseft_jax.data.class_lists.rows import class_keys as class_keys
from wiseft_jax.data.class_lists.rows import class_names as class_names
from wiseft_jax.data.class_lists.rows import class_rows as class_rows
from wiseft_jax.data.class_lists.rows import imagenet_map as imagenet_map
from wiseft_jax.data.class_lists.rows import imagenet_members as imagenet_members
from wiseft_jax.data.class_lists.rows import is_published as is_published
from wiseft_jax.data.class_lists.table import CLASS_LISTS as CLASS_LISTS
from wiseft_jax.data.class_lists.table import ClassList as ClassList
