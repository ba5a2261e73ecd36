"""From what was stored to hours: policies, the ledger, why and proof, and for whom they are counted."""
