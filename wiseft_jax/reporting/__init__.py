"""Tables, pictures and the report; imports no jax."""
