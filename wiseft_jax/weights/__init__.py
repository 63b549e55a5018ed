"""Operations on weights; `interpolate` holds the only lerp."""
