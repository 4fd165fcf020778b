# SPDX-License-Identifier: BSD-3-Clause
"""named.py - the faults that stores on persistent memory have had, each made once in this engine

A fault is a piece of a source, which stands there once, and what takes its place. One that is not found is an error, so that the
list follows the sources.
"""
import os

from sites import Mutant
from source import Source

FAULTS = []
SAMPLE = (
    "pmem/lane.c:publish:remove persist_fence",
    "pmem/lane.c:write_record:less not the unaligned tail",
    "pmem/file_state.c:write_copy:swap persist_flush and persist_fence",
    "atomic: an exchange of databases in two commits",
    "recovery: only the newest record is applied",
    "allocator: an allocation is not recorded",
)


def fault(group, what, path, *edits, order=(), tests=None, suites=None):
    """order: scenarios to begin with; tests: unit tests, in place of the usual ones; suites: all that judge it (judge.py)."""
    FAULTS.append((group, what, path, edits, order, tests, suites))


def in_place(offset, value, tx="tx"):
    """A word stored where everybody looks, and flushed, in place of a staged one."""
    return (f"do {{ uint64_t *to_ = (uint64_t *)(void *)({tx}->file->base + ({offset})); persist_store(to_, {value}); "
            f"persist_flush_line(&{tx}->file->persist, &{tx}->thread, to_); }} while (0);")


# ---- a valid flag before its data ----
fault("valid flag", "the magic word is written with the superblock", "pmem/file.c",
      ("write_at(file, bytes + sizeof(sb->magic), sizeof(*sb) - sizeof(sb->magic), copies[i] + sizeof(sb->magic))",
       "write_at(file, bytes, sizeof(*sb), copies[i])"), order=("creation", "creation-pages"))
fault("valid flag", "a record counts by its sequence, without its checksum", "pmem/lane_recovery.c",
      ("hash_key(lane->seed ^ words[0], words + 2, size * WORD_SIZE) == words[1]", "words[1] != 0"))
fault("valid flag", "the newest record counts whatever became of its fresh memory", "pmem/lane_recovery.c",
      (" || !verify_ranges(file, lane, &newest[0])", ""))
fault("valid flag", "a blob counts by its size", "pmem/lane_recovery.c",
      ("entry_blob_checksum(offset, blob + 1, blob->size) == blob->checksum", "blob->checksum != 0"), order=("kinds",))
fault("valid flag", "a record's body counts whatever it holds", "pmem/lane_recovery.c",
      ("hash_key(lane->seed, file->base + offset, words * WORD_SIZE) != record->items[2]", "record->items[2] == 0"),
      order=("big-deletes",))

fault("valid flag", "words of the root that read as zero are taken for values", "pmem/root.h",
      ("!(file->superblock.incompat & SB_INCOMPAT_ROOT) && ", ""), suites=(("unit", "database"),))
fault("valid flag", "a pool's words are said to be never zero before they are", "pmem/file_state.c",
      ("0 : root_words_complete(file);\n", "0 : SDB_OK;\n"), suites=(("unit", "database"),))

# ---- several words taken for one ----
fault("atomic", "a split's directory words are stored before the commit", "pmem/index_grow.c",
      ("tx_store(tx, at, checked_word(directory_value(depth, code, segment), at));",
       in_place("at", "checked_word(directory_value(depth, code, segment), at)")), order=("splits",))
fault("atomic", "a doubled directory is published before the commit", "pmem/index_grow.c",
      ("tx_store(tx, at, checked_word(root_value(directory->depth, offset), at));",
       in_place("at", "checked_word(root_value(directory->depth, offset), at)")), order=("splits",))
fault("atomic", "an exchange of databases in two commits", "src/store/database.c",
      ("store_root(session, a, id_b + 1);",
       "store_root(session, a, id_b + 1);\n        (void)session_commit(session);\n        error = lock_everything(session);"),
      order=("databases",))
fault("atomic", "a database's new number is stored before the commit", "src/store/database.c",
      ("store_root(session, database, id + 1);",
       "{ struct tx *tx = &session->tx; uint64_t at = root_offset(session->pool, database); "
       "store_root(session, database, id + 1); " + in_place("at", "checked_word(id + 1, at)") + " }"), order=("databases",))
fault("atomic", "a rename in two commits", "src/store/whole.c",
      ("error = operation_put(session, &new, &content);",
       "error = operation_put(session, &new, &content);\n    if (!error)\n        error = session_commit(session);\n"
       "    if (!error)\n        error = lock_both(session, whole);"), order=("random",))
fault("atomic", "a large transaction in two commits", "src/store/session.c",
      ("    if (session->transaction)\n        return error;\n    ended = end_staged",
       "    if (session->transaction && session->tx.line_count < 6)\n        return error;\n    ended = end_staged"),
      order=("transactions",))
fault("atomic", "several keys in two commits", "src/store/session.c",
      ("if (session->group && bound <= words_max / 2", "if (session->group && bound <= words_max / 64"), order=("batches",))

# ---- a lock or sentinel left in the pool ----
fault("sentinel", "the busy bit stays set", "pmem/lane.c",
      ("persist_store_release(to, from[0]);", "persist_store_release(to, from[0] | META_BUSY);"))
fault("sentinel", "the state that says open is taken for a lock", "pmem/file.c",
      ("return file->readonly && !file->was_clean ? refuse_unclean(file) : 0;", "return file->was_clean ? 0 : SDB_EBUSY;"))

# ---- a field changed behind its publication, and never flushed ----
fault("unflushed", "the lines of entries are not noted", "pmem/lane.c",
      ("        flush_later(lanes, lane, line->line);\n", "        if (line->kind != TX_LINE_ENTRIES)\n            flush_later(lanes, lane, line->line);\n"))
fault("unflushed", "the lines of words are not noted", "pmem/lane.c",
      ("        flush_later(lanes, lane, line->line);\n", "        if (line->kind == TX_LINE_ENTRIES)\n            flush_later(lanes, lane, line->line);\n"))
fault("unflushed", "the line of an entry that changes alone is not noted", "pmem/lane.c",
      ("    flush_later(lanes, lane, entry / LINE_SIZE);\n", ""))
fault("several words", "the record of an entry that changes alone lacks its last word", "pmem/lane.c",
      ("    for (unsigned mask = dirty; mask; mask &= mask - 1)\n        lane->scratch[2 + count++]",
       "    for (unsigned mask = dirty & 7u; mask; mask &= mask - 1)\n        lane->scratch[2 + count++]"))
fault("unflushed", "an entry's version rises behind its commit", "src/store/session.c",
      ("lane_apply(&pool->lanes, lane, tx);",
       """lane_apply(&pool->lanes, lane, tx);
    for (size_t i = 0; i < tx->touches.count; i++) {
        uint64_t *to = (uint64_t *)(void *)(pool->file.base + tx->touches.items[i].entry), words[4];

        memcpy(words, to, sizeof(words));
        words[0] = (words[0] & ~(0xffull << META_VERSION_SHIFT)) | (words[0] + (1ull << META_VERSION_SHIFT) & 0xffull << META_VERSION_SHIFT);
        entry_seal(words, tx->touches.items[i].entry);
        if (meta_type(words[0]))
            persist_store(to, words[0]);
    }"""))
fault("unflushed", "large copies pass the cache by in class msync, which hears nothing of them", "pmem/persist.c",
      ("    if (persist->flush == PERSIST_MSYNC)\n        return 0;\n    return size", "    return size"), tests=("persist",))
fault("unflushed", "a blob's size is stored behind its bytes, which are streamed", "pmem/entry.c",
      ("    persist_store((uint64_t *)(void *)(base + offset), size | (uint64_t)checksum << 32);\n", ""),
      ("    tx_add_range(tx, offset, size + sizeof(struct sdb_m_blob), false);\n",
       "    persist_store((uint64_t *)(void *)(base + offset), size | (uint64_t)checksum << 32);\n"
       "    tx_add_range(tx, offset, size + sizeof(struct sdb_m_blob), false);\n"), order=("random", "kinds"))
fault("unflushed", "a close drains the first lane only", "pmem/lane.c",
      ("for (uint32_t i = 0; i < lanes->count; i++) {\n        struct lane *lane = &lanes->lanes[i];\n        int error;",
       "for (uint32_t i = 0; i < 1; i++) {\n        struct lane *lane = &lanes->lanes[i];\n        int error;"), order=("close",))

# ---- creation and growth ----
fault("growth", "the pool is larger before its file is", "pmem/file.c",
      ("    /* 1. zeros.", "    sb.size = new_size;\n    error = file_change_superblock(file, &sb);\n    /* 1. zeros."), order=("growth",))
fault("growth", "an unfinished creation is taken for somebody's file", "pmem/file.c",
      ("error != SDB_EFORMAT || !space_is_unformatted(file->fd, (uint64_t)facts.st_size)", "1"),
      order=("creation", "creation-pages"))
fault("growth", "a change of the superblock is written to the newer copy first", "pmem/file_state.c",
      ("step == 0 ? older : !older", "step == 0 ? !older : older"), order=("reopen", "growth"))
fault("growth", "a change of the superblock is written to one copy", "pmem/file_state.c",
      ("write_copy(file, &sb, step == 0 ? older : !older)", "write_copy(file, &sb, older)"), order=("reopen", "growth"))

# ---- the allocator's windows ----
fault("allocator", "no quarantine", "pmem/heap_quarantine.c",
      ("    if (freed->sequence && lane_is_live(&heap->lanes->lanes[freed->lane], freed->sequence))\n        return false;\n", ""))
fault("allocator", "the quarantine ends one record early", "pmem/lane.h",
      ("sequence + 1 >= __atomic_load_n(&lane->fenced, __ATOMIC_ACQUIRE)",
       "sequence >= __atomic_load_n(&lane->fenced, __ATOMIC_ACQUIRE)"))
fault("allocator", "an allocation is not recorded", "pmem/heap.c", ("    stage_bit(tx, number, block, true);\n", ""), order=("kinds",))
fault("allocator", "what is freed leaks", "pmem/heap.c", ("        stage_bit(tx, number, block, false);\n", ""), order=("kinds",))
fault("allocator", "a block's bit is stored before the commit", "pmem/heap.c",
      ("tx_store(tx, offset, checked_word(used ? bits | bit : bits & ~bit, offset));",
       in_place("offset", "checked_word(used ? bits | bit : bits & ~bit, offset)")), order=("kinds",))
fault("allocator", "a run's last page leaks", "pmem/heap.c",
      ("for (unsigned i = 0; i < page->run; i++)\n            tx_store", "for (unsigned i = 0; i + 1 < page->run; i++)\n            tx_store"),
      order=("refill", "extents"))
fault("allocator", "extents that are freed stay taken", "pmem/heap.c",
      ("tx_store(tx, heap_map_offset(heap, first + i), 0);", "(void)0;"), order=("refill", "extents"))
fault("allocator", "an extent that was given back is still the shard's", "pmem/heap_extent.c",
      ("        tx_store(tx, heap_map_offset(heap, index), 0);\n", "        (void)0;\n"), order=("refill", "extents"))
fault("allocator", "a record's body is reused at once", "pmem/heap.c",
      ("        quarantine(heap, block, lane, sequence);", "        quarantine(heap, block, lane, block->kind == TX_BLOCK_BODY ? 0 : sequence);"),
      order=("bodies",))
fault("allocator", "a page of entries begins with what was there", "pmem/heap_extent.c", ("    if (any)\n", "    if (0)\n"),
      order=("extents", "full"))
fault("allocator", "an extent's header begins with what was there", "pmem/heap_extent.c",
      ("persist_zero(heap->file->base + ((uint64_t)index << EXTENT_SHIFT), sizeof(struct sdb_m_extent));", "(void)0;"),
      ("persist_zero(heap->file->base + base, sizeof(struct sdb_m_extent));", "(void)0;"),
      order=("refill", "extents", "full"))

# ---- recovery ----
fault("recovery", "only the newest record is applied", "pmem/lane_recovery.c",
      ("for (int i = first + 1; i >= first; i--)", "for (int i = first; i >= first; i--)"), order=("random",))
fault("recovery", "the newest record first", "pmem/lane_recovery.c",
      ("for (int i = first + 1; i >= first; i--)", "for (int i = first; i <= first + 1; i++)"))
fault("recovery", "a rejected record is applied", "pmem/lane_recovery.c", ("        first = 1; /*", "        first = 0; /*"))
fault("recovery", "the oldest records are taken for the newest", "pmem/lane_recovery.c",
      ("newest[place - 1].sequence < record.sequence)",
       "(newest[place - 1].sequence == 0 || newest[place - 1].sequence > record.sequence))"), order=("random",))
fault("recovery", "nothing is recovered where the newest record is rejected", "pmem/lane_recovery.c",
      ("        first = 1; /*", "        return SDB_OK; /*"))
fault("recovery", "what was retired is applied", "pmem/lane_recovery.c", ("record->sequence > lane->retired", "record->sequence > 0"),
      order=("random",))
fault("recovery", "retirement is left out", "src/store/session.c",
      ("if (*lane != session->lane && sequence", "if (0 && sequence"), order=("random", "threads"))
fault("recovery", "retirement is left out for the pool's own words", "src/store/session.c",
      ("i < session->held_count + session->tx.pool_locked; i++", "i < session->held_count; i++"), order=("pool-words",))
fault("recovery", "records of an earlier opening count", "pmem/lane.c", ("{sb->incarnation, lane, sb->hash_seed}", "{0, lane, sb->hash_seed}"),
      order=("nested", "reopen"))
fault("recovery", "the incarnation stays", "pmem/file_state.c", ("    sb.incarnation++;\n    if (!file->repairing)\n", "    if (!file->repairing)\n"), order=("nested", "reopen"))
fault("recovery", "only as many lanes as there are threads", "pmem/lane_recovery.c",
      ("if (!error && !file->was_clean)", "if (!error && !file->was_clean && i == 0)"), order=("random", "threads"))
fault("recovery", "of a clean pool, too", "pmem/lane_recovery.c", ("if (!error && !file->was_clean)", "if (!error)"), order=("reopen",))

# ---- values that are not durable yet ----
fault("not durable", "each second commit is acknowledged without its fence", "pmem/lane.c",
      ("    error = persist_fence(persist, &lane->thread);\n    if (error)\n        return error;\n    lane->pending_count = 0;",
       "    error = lane->sequence & 1 ? 0 : persist_fence(persist, &lane->thread);\n    if (error)\n        return error;\n"
       "    lane->pending_count = 0;"))
fault("not durable", "a group is acknowledged before it is committed", "src/store/session.c",
      ("    (void)session_commit(session);\n    session->group = false;\n    return", "    session->group = false;\n    return"),
      order=("batches", "random"))
fault("not durable", "others are told of the fence before it", "pmem/lane.c",
      ("    error = persist_fence(persist, &lane->thread);\n    if (error)\n        return error;\n    lane->pending_count = 0;",
       "    __atomic_store_n(&lane->fenced, lane->sequence + 1, __ATOMIC_RELEASE);\n"
       "    error = persist_fence(persist, &lane->thread);\n    if (error)\n        return error;\n    lane->pending_count = 0;"),
      order=("threads",))
fault("not durable", "an entry can be taken before the commit that frees it", "pmem/heap.c",
      ("void heap_free_entry(struct tx *tx, uint32_t shard, uint64_t offset)\n{",
       "void heap_free_entry(struct tx *tx, uint32_t shard, uint64_t offset)\n{\n    return;"), order=("kinds",))

# ---- readers, while a writer stores in place ----
fault("readers", "an entry that changes is not marked", "pmem/lane.c",
      ("persist_store(to, old | META_BUSY);", "(void)0;"), tests=("threads", "cache", "entry"))
fault("readers", "blobs are reused although they are viewed", "pmem/heap_quarantine.c",
      ("return heap->oldest_pin(heap->oldest_pin_context) > freed->epoch;", "return true;"), tests=("threads", "read", "heap"))
fault("readers", "a miss counts while words move", "src/store/session.c",
      ("        __atomic_store_n(sequence, *sequence + 1, __ATOMIC_RELAXED);\n    }\n    if (databases)",
       "        (void)sequence;\n    }\n    if (databases)"), tests=("threads", "read"))

# ---- the order of a repair ----
REPAIRS = (*(("crash", scenario) for scenario in ("repair-eadr", "repair-order", "repair-pages", "repair", "repair-kills")), ("unit", "repair"))
MARK = "error = pool_file_mark_repair(file);"
FINAL = "pool_file_mark_entries_final(repair->file)"
LAST_ENTRIES = "    repair_entries_store(repair, REPAIR_LED);\n    error = repair_fence(repair);\n    if (error == SDB_OK)\n"
FIRST_ENTRIES = "".join(f"    repair_entries_store(repair, {turn});\n    error = repair_fence(repair);\n    if (error != SDB_OK)\n        return error;\n"
                        for turn in ("REPAIR_UNLED", "REPAIR_EXPLAINED"))
ALL_ENTRIES = "".join(f"    repair_entries_store(repair, {turn});\n" for turn in ("REPAIR_UNLED", "REPAIR_EXPLAINED", "REPAIR_LED"))
ROOT = "    store_root(repair);\n    int error = repair_fence(repair);\n"
fault("repair", "it is not announced", "pmem/repair.c", (MARK, "error = SDB_OK;"))
fault("repair", "records are given up before that is announced", "pmem/repair.c",
      ("const int error = pool_file_announce_repair(file);", "const int error = SDB_OK;"))
fault("repair", "the file is as long as it was before that is announced", "pmem/file.c",
      ("    int error = announce_in_file(file);\n", "    int error = 0;\n"), suites=REPAIRS)
fault("repair", "it is announced when all is stored", "pmem/repair.c", (MARK, "error = SDB_OK;"),
      ("store_all(&repair);\nout:", f"store_all(&repair);\n    if (!error)\n        {MARK}\nout:"))
fault("repair", "it does not say that the entries are final", "pmem/repair.c", (FINAL, "SDB_OK"))
fault("repair", "it says that the entries are final before they are", "pmem/repair.c",
      (FIRST_ENTRIES + LAST_ENTRIES + f"        error = {FINAL};\n",
       f"    error = {FINAL};\n    if (error != SDB_OK)\n        return error;\n{FIRST_ENTRIES}"
       "    repair_entries_store(repair, REPAIR_LED);\n    error = repair_fence(repair);\n"))
fault("repair", "the next run does not know that the pool was closed", "pmem/file_internal.h",
      ("return file->was_clean ? SB_STATE_REPAIR_CLOSED : SB_STATE_REPAIR;", "(void)file;\n    return SB_STATE_REPAIR;"),
      suites=(("unit", "repair_hidden"),))
fault("repair", "a key that the index leads to is put back in an older state", "pmem/repair_entry.c",
      ("if (!indexed && has_newer(repair, subject)) {", "if (0 && has_newer(repair, subject)) {"), suites=(("unit", "repair_hidden"), *REPAIRS))
fault("repair", "a scrub does not look at the order of elements", "src/store/scrub.c",
      ("if (!shape->ordered || !shape->keys)\n        return true;", "if (shape->valid)\n        return true;"), suites=(("unit", "tree_damage"),))
fault("repair", "the counts are not asked", "pmem/repair_entry.c",
      ("    if (repair->closed == NULL)\n", "    if (repair->closed != NULL)\n        return false;\n    if (repair->closed == NULL)\n"),
      suites=(("unit", "repair_hidden"),))
fault("repair", "where the counts miss a key the entry goes", "pmem/repair_entry.c",
      ("return repair->closed[database] <= there;", "return repair->closed[database] <= there + 1;"), suites=(("unit", "repair_hidden"),))
fault("repair", "index words go first", "pmem/repair.c", (ROOT, f"    repair_index_store(repair);\n{ROOT}"),
      ("    repair_index_store(repair);\n    return", "    return"))
fault("repair", "entries go before it is known where entries are", "pmem/repair.c",
      (ROOT, f"{ALL_ENTRIES}    if (repair_fence(repair))\n        return SDB_EIO;\n{ROOT}"),
      (FIRST_ENTRIES + "    repair_entries_store(repair, REPAIR_LED);\n", "    error = SDB_OK;\n"))
fault("repair", "entries that the index leads to go first", "pmem/repair.c",
      ("repair_entries_store(repair, REPAIR_UNLED)", "repair_entries_store(repair, REPAIR_LED + 0)"),
      ("repair_entries_store(repair, REPAIR_LED)", "repair_entries_store(repair, REPAIR_UNLED + 0)"))
fault("repair", "an entry that is counted by its name goes before those that it counts for", "pmem/repair_entry.c",
      ("(repair_bit(extent->bits->indexed, slot) || repair_bit(extent->bits->named, slot))", "repair_bit(extent->bits->indexed, slot)"), suites=(("crash", "repair-order"),))
fault("repair", "an entry that is counted by its name goes with those of which a reason is seen", "pmem/repair_entry.c",
      ("(repair_bit(extent->bits->indexed, slot) || repair_bit(extent->bits->named, slot))", "repair_bit(extent->bits->indexed, slot)"),
      ("repair_bit(extent->bits->explained, slot) ?",
       "(repair_bit(extent->bits->explained, slot) || repair_bit(extent->bits->named, slot)) ?"), suites=(("crash", "repair-order"),))
fault("repair", "an entry that is counted as explained goes with those that it counts for", "pmem/repair_entry.c",
      ("repair_bit(extent->bits->explained, slot) ? REPAIR_EXPLAINED", "repair_bit(extent->bits->explained, slot) ? REPAIR_UNLED"),
      suites=(("crash", "repair-order"),))
fault("repair", "an entry that goes is stored from its last word on", "pmem/repair_entry.c",
      ("for (unsigned i = 0; i < 4; i++) /*", "for (unsigned i = 4; i-- > 0;) /*"))
fault("repair", "the root behind the headers", "pmem/repair.c", (ROOT, "    int error = SDB_OK;\n"),
      ("    restart_lanes(repair);\n    error", "    store_root(repair);\n    restart_lanes(repair);\n    error"))
fault("repair", "the map before the headers", "pmem/repair_heap.c",
      ("    for (uint32_t index = repair->first_extent; index < repair->extent_count; index++)\n"
       "        if (repair->extents[index].state == EXTENT_PAGES)\n            store_header(repair, index);\n", ""),
      ("checked_word(value, map_offset(repair, index)));\n    }\n", "checked_word(value, map_offset(repair, index)));\n    }\n"
       "    (void)repair_fence(repair);\n    for (uint32_t index = repair->first_extent; index < repair->extent_count; index++)\n"
       "        if (repair->extents[index].state == EXTENT_PAGES)\n            store_header(repair, index);\n"))
fault("repair", "the pool can be opened while index words are missing", "pmem/file_state.c",
      ("    if (!file->repairing)\n        sb.state = SB_STATE_OPEN;", "    sb.state = SB_STATE_OPEN;"), suites=REPAIRS)
fault("repair", "records that were applied still count", "pmem/file_state.c",
      ("are those of this incarnation */\n        sb.incarnation++;", "are those of this incarnation */\n        (void)sb;"), suites=REPAIRS)
fault("repair", "on a plain file nothing of it is synced", "pmem/file.c",
      ("if (file->repairing && !can_sync", "if (0 && !can_sync"), suites=REPAIRS)
fault("repair", "what a kill left visible is believed", "src/store/repair.c",
      ("error = secure_everything(file);", "error = SDB_OK;"))
fault("repair", "what a kill left visible of the repair of a closed pool is believed", "src/store/repair.c",
      ("    if (error == SDB_OK)\n        error = secure_everything(file);", "    if (error == SDB_OK && !file->was_clean)\n        error = secure_everything(file);"),
      suites=(("crash", "repair-kills"),))
fault("repair", "what recovery applied is not durable before it", "pmem/lane_recovery.c",
      ("error = persist_fence(&file->persist, &lanes->lanes[i].thread);", "error = 0;"), suites=REPAIRS)

TREE_REPAIRS = (("crash", "repair-trees"), *REPAIRS, ("unit", "tree_damage"))
fault("repair", "a collection that is damaged stays", "pmem/repair_tree.c",
      ("    if (!tree_verify(&walk, header, header, tree_kind_of(type)))\n", "    if (0)\n"), suites=TREE_REPAIRS)
fault("repair", "what a collection has is not claimed", "pmem/repair_tree.c",
      ("    return tree_verify(&walk, header, header, tree_kind_of(type)) ? NULL : \"its", "    return 1 ? NULL : \"its"),
      suites=TREE_REPAIRS)
fault("repair", "a collection's blobs are not looked at", "pmem/repair_tree.c",
      ("    return entry_blob_verify(subject->repair->file, reference);", "    return true;"), suites=TREE_REPAIRS)
fault("repair", "a collection's blobs are not claimed", "pmem/repair_tree.c",
      ("    walk.blob = claim_blob;\n", ""), suites=TREE_REPAIRS)

# ---- large collections ----
TREES = ("trees", "trees-drop", "trees-deep")
SEEN = ("trees-eadr", *TREES)  # what is stored too early shows where all stores survive
fault("collections", "a new leaf is not flushed", "pmem/tree_build.c", ("    tx_add_node(tree->tx, *offset);\n", ""), order=TREES)
fault("collections", "a new inner node is not flushed", "pmem/tree_build.c", ("    tx_add_node(tree->tx, offset);\n", ""),
      order=("trees-deep", "trees"))
fault("collections", "of a new node the first line is flushed", "pmem/tx.c",
      (".size = TREE_NODE_SIZE, .kind", ".size = LINE_SIZE, .kind"), order=TREES)
fault("collections", "nodes are changed where they lie before the fence", "pmem/tx.c",
      ("if (tx->node_count && tx->nodes[node_slot(tx, node)])", "if (node)"), order=SEEN)
fault("collections", "the last transaction's nodes count as fresh", "pmem/tx.c",
      ("    if (tx->node_count)\n        forget_nodes(tx, 0);\n", ""), order=SEEN)
fault("collections", "nodes that were taken back count as fresh", "pmem/tx.c",
      ("    if (tx->node_count)\n        forget_nodes(tx, mark->ranges);\n", ""), order=SEEN)
fault("collections", "what was stored to a fresh node is not taken back", "pmem/tx.c",
      ("            persist_store((uint64_t *)(void *)(tx->file->base + undo->offset), undo->old);",
       "            (void)undo->old;"), order=TREES)
fault("collections", "an element is stored where it lies before the fence", "pmem/tree_change.c",
      ("    tx_store_node(tree->tx, leaf->offset + word * WORD_SIZE, value);",
       "    " + in_place("leaf->offset + word * WORD_SIZE", "value", "tree->tx")), order=SEEN)
fault("collections", "the header is stored where it lies before the fence", "pmem/tree.c",
      ("        tx_store(tx, header + field, word);", "        " + in_place("header + field", "word")), order=SEEN)
fault("collections", "the header of a new one begins with what was there", "pmem/tree.c",
      ("        tx_store(tx, at, nonzero_word(0, at));\n", "        (void)at;\n"), order=TREES)
fault("collections", "a node that was replaced stays allocated", "pmem/tree_build.c",
      ("    return heap_free(tree->heap, tree->tx, tree->shard, offset);", "    return (void)offset, 0;"), order=TREES)
fault("collections", "counts above a leaf stay", "pmem/tree_change.c", ("error = tree_count_path(tree, place, 1, 1);", "error = 0;"),
      order=TREES)
fault("collections", "counts above an inner node stay", "pmem/tree_build.c",
      ("return error ? error : tree_count_path(tree, place, level + 1, delta);", "return error;"), order=("trees-deep", *TREES))
fault("collections", "an element goes where there is no room", "pmem/tree_change.c",
      ("leaf->floor >= TREE_NODE_HEADER + leaf->capacity + tree_slot_words(item->slot)",
       "leaf->floor - tree_slot_words(item->slot) >= TREE_NODE_HEADER + leaf->capacity"), order=("trees-deep",))
fault("collections", "a dropped one is in no list", "src/store/operation.c",
      ("error = tree_drop(heap, &session->tx, entry_tree(old));", "error = SDB_OK;"), order=TREES)
fault("collections", "a dropped one takes the place of those in the list", "pmem/tree_reclaim.c",
      ("    tree_field_store(tx, header, TREE_FIELD(next), first >> 6);\n", ""), order=("trees-drop", "trees"))
fault("collections", "a companion stays when its tree goes", "pmem/tree_reclaim.c",
      ("companion ? companion : next << 6", "next << 6"), order=("trees-drop", "trees"))
fault("collections", "a companion forgets what is behind it in the list", "pmem/tree_reclaim.c",
      ("        tree_field_store(tree->tx, companion, TREE_FIELD(next), next);\n", ""), order=("trees-drop", "trees"))
fault("collections", "a leaf that was freed is still its parent's", "pmem/tree_reclaim.c",
      ("        tx_store_node(tx, nodes[level], checked_word(tree_head_inner(level, counts[level] - 1), nodes[level]));\n",
       "        (void)nodes;\n"), order=("trees-drop", "trees"))
fault("collections", "the last node that was freed is still the root", "pmem/tree_reclaim.c",
      ("        tree_field_store(tx, tree.header, TREE_FIELD(root), 0);\n", ""), order=("trees-drop", "trees"))
fault("collections", "its elements' blobs stay", "pmem/tree_reclaim.c", ("        if (element.blob)\n", "        if (0)\n"),
      order=("trees-drop", "trees"))
fault("collections", "its header goes before its leaves", "pmem/tree_reclaim.c",
      ("if (!error && tree.root == 0)", "if (!error)"), order=("trees-drop", "trees"))
fault("collections", "its list is changed where it lies before the fence", "pmem/tree_reclaim.c",
      ("    tx_store(tree->tx, at, checked_word(first >> 6, at));",
       "    " + in_place("at", "checked_word(first >> 6, at)", "tree->tx")), order=("trees-drop", *SEEN))

# ---- collections, above their trees ----
COLLECTION_UNITS = tuple(("unit", test) for test in ("collection", "hash", "list", "whole"))
WHOLE = (("crash", "collections"), ("crash", "collections-pages"), *COLLECTION_UNITS)
PACKED_UNITS = (("unit", "packed"),)
fault("collections", "what is stored anew takes two commits", "src/store/collection.c",
      ("        error = begin(&collection, key, key_size, anew);\n",
       "        if (anew)\n            (void)sdb_delete(session, key, key_size);\n        error = begin(&collection, key, key_size, anew);\n"),
      suites=WHOLE)
fault("collections", "several that change together are committed one by one", "src/store/collection.c",
      ("error = all ? sdb_begin_all(session) : sdb_begin(session, keys, count);", "error = SDB_OK;"),
      ("const int committed = sdb_commit(session);", "const int committed = 0;"),
      ("        } else {\n            sdb_abort(session);\n        }\n        if (inner)", "        }\n        if (inner)"), suites=WHOLE)
fault("collections", "the key of the last element stays", "src/store/collection.c",
      ("return !error && operation->exists ? operation_remove(session, operation) : error;", "return error;"), suites=WHOLE)
fault("collections", "a tree that nothing leads to stays", "src/store/collection.c",
      ("    if (collection->fresh_tree)\n        error = tree_drop(&session->pool->heap, &session->tx, collection->tree.header);\n    return",
       "    return"), suites=WHOLE)
fault("collections", "a tree that was filled and cleared stays", "src/store/collection_change.c",
      ("    if (collection->fresh_tree)\n        error = tree_drop(&session->pool->heap, &session->tx, collection->tree.header);\n", ""), suites=WHOLE)
fault("collections", "a change that failed is not taken back", "src/store/collection.c",
      ("    return operation_end(session, mark, error);\n", "    return operation_end(session, mark, SDB_OK);\n"), suites=WHOLE)
fault("collections", "a new tree does not take the packed one's place", "src/store/collection.c",
      ("if (!collection->fresh_tree) {", "if (!collection->fresh_tree || operation->exists) {"), suites=WHOLE)
fault("collections", "a member that was taken away is still found", "src/store/collection_change.c",
      ("        error = tree_remove(&collection->members, &member);\n", ""), suites=WHOLE)
fault("collections", "a member that was added is not found", "src/store/collection_change.c",
      ("return error ? error : tree_insert(&collection->members, member, parts->slices, parts->count);", "return error;"), suites=WHOLE)
fault("collections", "a member whose score changes keeps the old one in the companion", "src/store/collection_change.c",
      ("return error ? error : tree_replace(&collection->members, member, parts.slices, parts.count);", "return error;"), suites=WHOLE)
fault("collections", "a copy's members are the other one's", "src/store/collection_whole.c",
      ("error = copy_one(session, companion, shard, &copied, &none);", "copied = companion, none = 0, error = SDB_OK;"), suites=WHOLE)
fault("collections", "a copy has no members", "src/store/collection_whole.c", ("        tree_set_companion(&tree, copied);\n", "        (void)copied;\n"),
      suites=WHOLE)
fault("collections", "two keys have one tree", "src/store/whole.c",
      ("error = collection_copy_tree(session, content.tree, new.key.shard, &content.tree);", "error = SDB_OK;"), suites=WHOLE)
fault("collections", "a tree is dropped with its old name", "src/store/whole.c", ("    old.tree_stays = content.tree != 0;\n", ""), suites=WHOLE)
fault("collections", "a copy forgets what it is called", "src/store/collection_whole.c", ("    tree_set_user(&to, user);\n", ""),
      suites=COLLECTION_UNITS)
fault("collections", "a tree forgets what it is called", "src/store/collection.c",
      ("            tree_set_user(&collection->tree, collection->form);\n", "            (void)0;\n"), suites=COLLECTION_UNITS)
fault("collections", "a change takes the time to live", "src/store/collection.c",
      ("        content.expire_ms = entry_expiry(operation->found.words);\n", "        (void)0;\n"), suites=COLLECTION_UNITS)

AGAIN = ("        if (!error)\n            error = session_commit(collection->session);\n"
         "        if (!error)\n            error = session_lock(collection->session, collection->operation.key.shard);\n")
fault("collections", "a member goes in a commit of its own", "src/store/collection_change.c",
      ("        error = tree_remove(&collection->members, &member);\n", "        error = tree_remove(&collection->members, &member);\n" + AGAIN),
      suites=WHOLE)
fault("collections", "a member comes in a commit of its own", "src/store/collection_change.c",
      ("    return error ? error : tree_insert(&collection->members, member,",
       AGAIN + "    return error ? error : tree_insert(&collection->members, member,"), suites=WHOLE)
fault("collections", "a list is cut at its ends in two commits", "src/store/collection_change.c",
      ("    while (collection->count > count && !error) {\n", AGAIN + "    while (collection->count > count && !error) {\n"), suites=WHOLE)
fault("collections", "what is kept of a list is built anew in two commits", "src/store/collection_change.c",
      ("        error = tree_read(&old, &place, &element);\n", "        if (count == 1)\n            error = session_commit(collection->session);\n"
       "        if (!error && count == 1)\n            error = session_lock(collection->session, collection->operation.key.shard);\n"
       "        if (!error)\n            error = tree_read(&old, &place, &element);\n"), suites=WHOLE)
fault("collections", "what is kept of a list begins one behind", "src/store/collection_change.c",
      ("collection_result(tree_at(&old, rank, &place))", "collection_result(tree_at(&old, rank + 1, &place))"), suites=WHOLE)
fault("collections", "a fill that failed is stored", "src/store/collection_api.c",
      ("    return fill->fill(fill->context, &filling);", "    (void)fill->fill(fill->context, &filling);\n    return SDB_OK;"),
      suites=(("unit", "fill"),))

# ---- streams ----
STREAMS = (("crash", "streams"), ("crash", "streams-pages"), ("unit", "stream"), ("unit", "stream_check"), ("unit", "stream_model"))
fault("streams", "what another consumer is given is not its own", "src/store/stream_pending.c",
      ("if (!error && (!was->tag || was->consumer != pending->consumer))", "if (!error && !was->tag)"), suites=STREAMS)
fault("streams", "what is acknowledged stays the consumer's", "src/store/stream_pending.c",
      ("    const int error = take_owned(stream, pending);\n", "    const int error = SDB_OK;\n"), suites=STREAMS)
fault("streams", "the last id goes with the last entry", "src/store/stream.c",
      ("(uint64_t)STREAM_USER_RECORDED : 0)", "0 * (uint64_t)STREAM_USER_RECORDED : 0)"), suites=STREAMS)
fault("streams", "an entry is not counted", "src/store/stream_change.c",
      ("    stream_count_entry(stream, user);\n", ""), suites=STREAMS)
fault("streams", "a stream built anew leaves its records to the old tree", "src/store/stream_change.c",
      ("    tree_set_companion(&old, 0);\n", ""), suites=STREAMS)
fault("streams", "a stream built anew has no records", "src/store/stream_change.c",
      ("    tree_set_companion(&stream->tree, companion);\n", ""), suites=STREAMS)
fault("streams", "a group that goes leaves its consumers", "src/store/stream_group.c",
      ("        error = stream_records_clear(stream, &prefix);\n    }", "    }"), suites=STREAMS)
fault("streams", "a consumer that goes leaves its name", "src/store/stream_group.c",
      ("    consumer.tag = STREAM_TAG_NAME;\n    if (!error)\n        error = stream_record_take(stream, &consumer);\n", ""), suites=STREAMS)
fault("streams", "companions are made where the key is, not its tree", "src/store/stream_records.c",
      ("stream->tree.shard, TREE_RECORDS", "stream->operation.key.shard, TREE_RECORDS"), suites=STREAMS)
fault("streams", "a leaf that goes keeps its blobs", "pmem/tree_change.c",
      ("    for (unsigned i = 0; i < count && !error; i++)\n        error = free_outside(tree, &place->leaf, i);\n", ""), suites=STREAMS)

# ---- packed collections: what their bytes may say ----
fault("packed", "more or fewer elements than it says", "pmem/packed.c", ("return count == packed.count;", "return true;"), suites=PACKED_UNITS)
fault("packed", "none at all", "pmem/packed.c", ("n == 0 || count == 0 || count > size", "n == 0"), suites=PACKED_UNITS)
fault("packed", "an element behind the end", "pmem/packed.c", ("n == 0 || size > packed->size - offset - n", "n == 0"), suites=PACKED_UNITS)
fault("packed", "any form", "pmem/packed.c", ("size < 2 || bytes[0] & ~PACKED_FORMS", "size < 2"), suites=PACKED_UNITS)
fault("packed", "integers of any type", "pmem/packed.c", (" || (packed.form & PACKED_INTS && kind != TREE_SET)", ""), suites=PACKED_UNITS)
fault("packed", "integers in any order", "pmem/packed.c", ("if (packed.form & PACKED_INTS && !ints_ordered(&before, &element))", "if (0)"),
      suites=PACKED_UNITS)
fault("packed", "the same integer twice", "pmem/packed.c", ("&a) && a < b)", "&a) && a <= b)"), suites=PACKED_UNITS)
fault("packed", "scores in any order", "pmem/packed.c", ("tree_probe_compare(&tree_shapes[kind], &last, &probe) >= 0", "0"),
      suites=PACKED_UNITS)
fault("packed", "elements of any kind", "pmem/packed.c",
      ("            !tree_probe_element(file, kind, element.data, element.size, &probe))", "            (tree_probe_element(file, kind, element.data, element.size, &probe), false))"),
      suites=PACKED_UNITS)

# ---- transactions in transactions ----
fault("nested", "the inner one is committed by itself", "src/store/session.c",
      ("const int error = session->transaction ? SDB_OK : end_staged(session, mark);", "const int error = end_staged(session, mark);"), order=TREES)
fault("nested", "an inner one that is taken back takes all with it", "src/store/session.c",
      ("*mark = &session->marks[--session->depth];", "*mark = (session->depth--, &session->marks[0]);"), order=TREES)
fault("nested", "an inner one that is taken back stays", "src/store/session.c",
      ("    session_rollback(session, leave(session));\n", "    const struct tx_mark *mark = leave(session);\n"
       "    if (!session->transaction)\n        session_rollback(session, mark);\n"), order=TREES)
fault("nested", "the outer one ends with the inner one", "src/store/session.c",
      ("session->transaction = session->depth != 0;", "session->transaction = false;"), order=TREES)

# ---- replies ----
fault("replies", "they leave before the fence", "src/server/worker.c",
      ("    end_group(worker);\n    settle_touched(worker);\n", "    settle_touched(worker);\n    end_group(worker);\n"))
fault("replies", "a turn is not committed at its end", "src/server/worker.c", ("    end_group(worker);\n    settle", "    settle"))
fault("replies", "a commit that failed is not told", "src/server/worker.c",
      ("    result = worker->group_error;\n", "    result = SDB_OK;\n"))
fault("replies", "of two commits in a turn the last one counts", "src/server/worker.c",
      ("    if (worker->group_error == SDB_OK)\n        worker->group_error", "    worker->group_error"))
fault("replies", "the first client alone is told", "src/server/worker.c",
      ("connection != NULL; connection = connection->touched_next)\n        connection_disown_replies",
       "connection != NULL; connection = NULL)\n        connection_disown_replies"))
fault("replies", "they leave where others are let look", "src/server/worker.c",
      ("void worker_let_go(struct worker *worker)\n{\n", "static void settle_touched(struct worker *worker);\n"
       "void worker_let_go(struct worker *worker)\n{\n    settle_touched(worker);\n"))
fault("replies", "what was replied is not taken back", "src/server/connection.c",
      ("    reply_truncate(&connection->client.reply, connection->reply_mark);\n    if", "    if"))
fault("replies", "messages leave before the fence", "src/server/worker.c",
      ("    close_group(worker);\n    result = worker->group_error;\n",
       "    if (worker->outbox != NULL)\n        pubsub_post(worker);\n    close_group(worker);\n    result = worker->group_error;\n"))
fault("replies", "messages of a commit that failed stay", "src/server/worker.c", ("    pubsub_drop(worker);\n    function_store", "    function_store"))


def generate(root):
    mutants = []
    for group, what, path, edits, order, tests, suites in FAULTS:
        with open(os.path.join(root, path), encoding="utf-8") as file:
            source = Source(path, file.read())
        spans = []
        for old, new in edits:
            if source.text.count(old) != 1:
                raise SystemExit(f"named.py: '{group}: {what}': {path} has {source.text.count(old)} times: {old}")
            at = source.text.index(old)
            spans.append((at, at + len(old), new))
        mutant = Mutant(f"{group}: {what}", path, source.replaced(*spans), source.line(spans[0][0]), group, what, order)
        mutant.tests, mutant.suites = tests, suites
        mutants.append(mutant)
    return mutants
