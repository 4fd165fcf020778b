# SPDX-License-Identifier: BSD-3-Clause
"""equivalent.py - mutants that break nothing, each with its reason, by rule of docs/DURABILITY.md"""
REASONS = {
    "pmem/entry.c:entry_write_blob_parts:torn persist_store":
        "E1, E2: nobody can reach a fresh blob before the fence of its commit, and the record verifies it",
    "collections: nodes that were taken back count as fresh":
        "until the session lets go of their shard nobody else is given them, and whoever is given one notes it again; tx_reset, "
        "which forgets them all, comes before that",
    "pmem/lane.c:hide_entry:torn persist_store":
        "the word changes in one bit: one of its halves is stored as it is",
    "pmem/lane.c:fill_entry:torn persist_store":
        "E3: the record stores these words again; whoever reads them finds the entry busy and reads again, or no key there yet",
    "pmem/lane.c:apply_words:torn persist_store_release":
        "E3: the record stores these words again; a reader without a lock that finds one damaged while its shard's sequence is odd, "
        "or has changed, looks again (read.c, 2)",
    "pmem/lane_recovery.c:apply_record:torn persist_store":
        "E4, E7: nobody reads before the recovery is over, and until its fence the record counts and stores them again",
    "pmem/lane_recovery.c:apply_record:less not the last of the list":
        "an item of a line has two words at least: none begins at the last one",
    "src/store/pool.c:pool_close_cleanly:remove persist_fence":
        "counters that are not whole are told by their checksum, those of an earlier close by the incarnation; the fences of the "
        "superblock's copies, of the same thread, make them durable before the pool calls itself clean",
    "src/store/pool.c:pool_close_cleanly:swap store_counters and persist_fence":
        "likewise: the fence of the superblock's first copy covers them",
    "src/store/pool.c:pool_close_cleanly:swap lanes_drain and store_counters":
        "the counters say what DRAM says, and count only where the pool calls itself clean, which is behind both",
    "src/store/pool.c:pool_close_cleanly:swap persist_fence and pool_file_mark_clean":
        "likewise: the fence of the superblock's first copy covers the counters",
    "pmem/tx.c:store_directly:torn persist_store":
        "E1, E2: nobody can reach fresh memory before the fence of its commit, and the record verifies it",
    "pmem/tx.c:tx_rollback:torn persist_store":
        "E1: fresh memory, which nobody has reached or will",
}
