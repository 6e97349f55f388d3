"""Reading and formatting text: times, quantities, glyphs, safe and masked text."""
