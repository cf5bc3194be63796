"""The wire contract between agents and collectors.

The only code both sides share: the report's shape (`report`), its encoding (`codec`), the list of everything that
may be sent (`catalogue`) and sentences kept apart from their language (`message`).
"""
