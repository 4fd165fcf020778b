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
    "pmem/root.c:complete:torn persist_store":
        "the word changes in its upper half: the lower one is stored as it is",
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
    # ---- repairs ----
    "pmem/file.c:announce_in_file:swap write_at and sync_file":
        "the copy that is written first is synced in the second step, and says that a repair is under way; the other one, whole or torn, "
        "is flushed before the next change (secure_newest)",
    "pmem/lost_pages.c:mend:remove persist_fence":
        "what it refuses, the next fence of the same repair refuses: no fence passes once a page is lost; nothing is promised between the two",
    "pmem/repair.c:repair_store:torn persist_store":
        "what is stored over is damaged or given up; half of it has wrong check bits, and the next run decides the same again",
    "pmem/repair.c:repair_give_up_lane:torn persist_store":
        "a lane whose header is damaged is given up by the next run, too",
    "pmem/repair.c:repair_give_up_lane:remove persist_flush_line":
        "restart_lanes stores over the header and flushes its line; until then the next run gives the lane up again",
    "pmem/repair.c:repair_give_up_lane:swap persist_store and persist_flush_line":
        "likewise: restart_lanes stores over the header and flushes its line",
    "pmem/repair.c:repair_lanes:remove repair_give_up_lane":
        "lanes_recover refuses such a lane, and the loop around it gives it up; the other lanes' records are applied once more",
    "src/store/repair.c:recover:remove repair_lanes":
        "likewise: the loop around lanes_recover gives the lanes up",
    "src/store/repair.c:recover:swap repair_lanes and lanes_recover":
        "likewise: what is in front of the loop is its first round",
    "src/store/repair.c:secure_everything:less not the unaligned tail":
        "a pool's size is a multiple of an extent's",
    "src/store/repair.c:secure_everything:less not the first line":
        "it is the superblock's: secure_newest flushes the copy that counts before the other changes",
    "src/store/repair.c:secure_everything:remove persist_fence":
        "the next change of the superblock, the first one behind the opening, begins with a fence of the same thread (secure_newest)",
    "src/store/repair.c:secure_everything:swap persist_flush and persist_fence":
        "likewise: secure_newest fences before anything is stored",
    "pmem/repair.c:store_all:remove repair_fence #2":
        "the next run knows pages of entries by their headers, which had their fence, and an extent whose map word is not durable yet by the "
        "keys on it that stay; where all of them go, nothing of it is kept either way; for lanes see below",
    "pmem/repair.c:store_all:swap restart_lanes and repair_fence":
        "nobody but a repair reads a lane's header until the clean close, and each later fence of the same thread covers it",
    "pmem/repair.c:store_all:swap repair_heap_store and restart_lanes":
        "likewise; and no record of an earlier incarnation is applied, whatever a lane's header says",
    "pmem/repair.c:store_all:swap repair_index_store and repair_fence":
        "until the clean close the next run stores them again, and its first fence, for the counters, is of the same thread",
    "pmem/repair.c:store_all:remove repair_fence #6":
        "likewise",
    "pmem/repair.c:store_all:remove repair_fence #5":
        "what is not durable of the last third of the entries, the next run drops again: it judges an entry that the index leads to "
        "without a look at the state, index words go later, and the others, of which the state would say that it stays, had its fence",
    "repair: it says that the entries are final before they are":
        "likewise: the state counts for entries that nothing leads to, and those that go had their fence before it",
}
