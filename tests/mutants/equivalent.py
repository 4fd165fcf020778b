# SPDX-License-Identifier: BSD-3-Clause
"""equivalent.py - mutants that break nothing, each with its reason, by rule of docs/DURABILITY.md"""
REASONS = {
    "pmem/entry.c:entry_write_blob_parts:torn persist_store":
        "E1, E2: nobody can reach a fresh blob before the fence of its commit, and the record verifies it",
    "recovery: of a clean pool, too":
        "E4, E7: the words of each lane's newest records are in place already, and storing them again changes nothing",
    "collections: nodes that were taken back count as fresh":
        "until the session lets go of their shard nobody else is given them, and whoever is given one notes it again; tx_reset, "
        "which forgets them all, comes before that",
    "pmem/lane.c:hide_entry:torn persist_store":
        "the word changes in one bit: one of its halves is stored as it is",
    "pmem/lane.c:fill_entry:torn persist_store":
        "E3: the record stores these words again; whoever reads them finds the entry busy and reads again, or no key there yet",
}
