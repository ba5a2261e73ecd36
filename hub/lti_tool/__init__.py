"""The hub as an LTI 1.3 tool: other LMSs launch it, and their people find their JP and the catalogue here."""
