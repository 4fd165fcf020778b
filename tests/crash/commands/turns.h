/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * turns.h - the turns of commands.c: command lines, run under one fence
 *
 * A turn that begins with +MS runs so much later. {c*n} is n times a character, @key the key's handle. Every kind of value: integer,
 * inline, blob, large; keys inline and in blobs; several databases; keys that expire on the way.
 */
#ifndef SDB_TESTS_CRASH_TURNS_H
#define SDB_TESTS_CRASH_TURNS_H

#define PAIRS_OF(n) " " n "1 {v*9} " n "2 {v*17} " n "3 1 " n "4 {v*30} " n "5 {v*8} " n "6 {v*9} " n "7 {v*9} " n "8 {v*9}"
#define SETS_OF(n) "MSET" PAIRS_OF(n "a") PAIRS_OF(n "b") PAIRS_OF(n "c") "\n"
#define LARGE_TRANSACTION                                                                                              \
    "MULTI\n" SETS_OF("l1") SETS_OF("l2") SETS_OF("l3") SETS_OF("l4") SETS_OF("l5") SETS_OF("l6") SETS_OF("l7")        \
    SETS_OF("l8") SETS_OF("l9") SETS_OF("m1") SETS_OF("m2") SETS_OF("m3") SETS_OF("m4") SETS_OF("m5") SETS_OF("m6") "EXEC"

static const char *const turns[] = {
    /* strings */
    "SET a 1",
    "SET a text",
    "SET a {v*100}",
    "SET a {w*5000}",
    "SET a {x*40000} PX 5000",
    "SET a 2 KEEPTTL",
    "SET a {y*16} NX GET",
    "SET {k*40} {z*300} EX 100",
    "SETNX b 7",
    "SETNX b 8",
    "SETEX c 10 {c*30}",
    "PSETEX c 20000 short",
    "GETSET a {g*64}",
    "GETDEL b",
    "GETEX c PERSIST",
    "GETEX c EX 1000",
    "APPEND a {h*70}",
    "APPEND new tail",
    "SETRANGE a 10 {i*90}",
    "SETRANGE empty 5 pad",
    "INCR n",
    "INCRBY n 40",
    "DECR n",
    "DECRBY n 5",
    "INCRBYFLOAT n 0.5",
    "MSET m1 1 m2 {2*17} m3 {3*2000} {m*50} 4 n 9",
    "MSETNX o1 {o*100} o2 2 o3 3",
    "MSETNX o1 x o4 y",
    /* bits */
    "SETBIT bits 1000 1",
    "SETBIT bits 3 1",
    "BITFIELD bits SET u8 0 255 INCRBY i5 100 1",
    "BITOP NOT dest bits",
    "BITOP XOR dest bits m3",
    "BITOP AND dest bits missing",
    /* HyperLogLogs: sparse, and dense ones */
    "PFADD pf a b c",
    "PFCOUNT pf",
    "PFADD pf d e\nPFCOUNT pf\nPFADD pf",
    "PFMERGE pf2 pf absent",
    "PFDEBUG TODENSE pf2",
    "PFADD pf2 f g h\nPFCOUNT pf2",
    "PFMERGE pf pf2\nPFDEBUG GETREG pf",
    "MULTI\nPFADD pf i\nPFADD pf3 {e*200}\nPFCOUNT pf\nPFMERGE pf4 pf3\nEXEC",
    /* hashes: packed, and trees from the first field or value of more than 64 bytes on */
    "HSET h1 a 1 b {2*40} c {3*10}",
    "HMSET h1 a {v*60} d 4",
    "HSETNX h1 e 5",
    "HINCRBY h1 n 40",
    "HINCRBYFLOAT h1 n 0.5",
    "HDEL h1 a b z",
    "HSET h2 a 1 b {v*65} c 3",
    "HSET h2 d {x*500} e {y*9000} f {z*50}\nHSET h2 a 2\nHDEL h2 c",
    "HINCRBY h2 n 7",
    "HINCRBYFLOAT h2 n -0.25",
    "HSET h1 big {b*300}",
    "EXPIRE h1 1000",
    "HSET h1 after {a*20}",
    "COPY h2 h3",
    "RENAME h2 h4",
    "HSET h4 d short e 1",
    "COPY h1 h4 REPLACE",
    "MOVE h3 5",
    "MULTI\nHSET h5 a 1 b {v*70}\nHDEL h5 a\nHSET h1 x y\nSET a text\nHSETNX h6 f {v*100}\nEXEC",
    "HDEL h5 b",
    "SET h6 {s*50}",
    "DEL h1 h4",
    /* sets: integers, packed names, trees from the first member of more than 64 bytes on; what is popped must not be a matter of chance */
    "SADD s.i1 3 1 -5 9223372036854775807",
    "SREM s.i1 1 7",
    "SADD s.n1 a {2*40} {3*10} 7",
    "SADD s.t1 a {b*65} c",
    "SADD s.t1 {x*500} {y*9000} {z*50}\nSREM s.t1 a {b*65}",
    "SADD s.i1 word",
    "SADD s.n1 {n*300} i7 i8 i9",
    "SMOVE s.n1 s.t1 {2*40}",
    "SMOVE s.t1 s.i1 {x*500}",
    "SMOVE s.t1 s.f c\nSMOVE s.f s.t1 c",
    "SUNIONSTORE s.u1 s.i1 s.n1 s.t1",
    "SINTERSTORE s.u2 s.u1 s.t1",
    "SDIFFSTORE s.u1 s.u1 s.t1 s.u2",
    "SUNIONSTORE s.s s.i1",
    "SADD s.o {o*90}\nSPOP s.o\nSPOP s.u2 100",
    "EXPIRE s.t1 1000",
    "SADD s.t1 after {a*20}",
    "RENAME s.t1 s.t2",
    "SMOVE s.t2 s.n1 after",
    "COPY s.t2 s.t3",
    "MULTI\nSADD s.m1 a {v*70}\nSMOVE s.m1 s.m2 a\nSUNIONSTORE s.m3 s.m1 s.m2 s.t2\nSPOP s.m3 100\nSADD s.m3 x\nSET s.s {s*80}\nEXEC",
    "SINTERSTORE s.m3 s.m1 missing",
    "SPOP s.t2 100",
    "DEL s.i1 s.n1 s.u1 s.u2 s.m1 s.m2",
    /* handles */
    "SDB.SETH @n 12 @m3 {s*600}",
    /* keys */
    "COPY m3 copy",
    "COPY a copy REPLACE",
    "COPY a a DB 3",
    "RENAME copy {r*60}",
    "RENAME m1 m2",
    "RENAMENX m2 m9",
    "RENAMENX m9 n",
    "MOVE m9 2",
    "EXPIRE n 100",
    "PEXPIRE n 200000 GT",
    "EXPIREAT m3 2000000000",
    "PEXPIREAT m3 1700000001000",
    "PERSIST n",
    "EXPIRE n -1",
    "DEL m3 {m*50} missing",
    "UNLINK a new",
    /* time goes by: SET and GET meet keys that have expired */
    "SET e1 {e*80} PX 10\nSET e2 5 PX 10\nSET e3 {e*9} PX 100000",
    "+50 SET e1 again",
    "+50 GET e2\nINCR e2",
    /* many under one fence */
    "SET t1 1\nSET t2 {t*200}\nINCR t1\nDEL t2\nSET t2 {u*10}\nAPPEND t1 2\nMSET t3 3 t4 {4*90}\nRENAME t4 t5",
    "MSET p1 1 p2 2 p3 3 p4 4 p5 5 p6 6 p7 7 p8 8 p9 9\nDEL p1 p2 p3\nMSET q1 {q*33} q2 {q*65} q3 {q*129}",
    /* transactions: what EXEC does is there as a whole */
    "MULTI\nSET x1 1\nSET x2 {x*70}\nINCR x1\nMSET x3 {3*500} x4 4 x5 {5*20}\nDEL t1\nRENAME t5 x6\nEXEC",
    "SET o 1\nMULTI\nINCR o\nAPPEND x2 {a*90}\nSELECT 2\nSET o {o*30}\nSELECT 0\nSET x1 2 GET\nEXEC\nINCR o",
    "MULTI\nSET x1 {l*30000}\nSET x2 {m*70000}\nEXPIRE x3 100\nEXPIRE x4 1\nGETDEL x5\nBITOP OR x7 x2 x3\nEXEC",
    "+2000 WATCH x3 x4\nMULTI\nSET x4 again\nPERSIST x3\nEXEC",
    "MULTI\nSET gone 1\nDISCARD\nMULTI\nDEL gone x1\nEXEC",
    "MULTI\nSET before 1\nSELECT 2\nFLUSHDB\nSET after 1\nSWAPDB 2 0\nSELECT 0\nMOVE o 5\nCOPY after b DB 3\nEXEC",
    "SWAPDB 0 2\nSELECT 2\nFLUSHDB\nSELECT 0",
    /* scripts: the same, errors within them or not */
    "EVAL redis.call('set','s1','1')redis.call('set','s2',('x'):rep(200))redis.call('incr','s1')redis.call('append','s2','y') 2 s1 s2",
    "SET s3 1\nEVAL for\ti=1,9\tdo\tredis.call('set','u'..i,('u'):rep(i*40))end\tredis.call('del','s1','s3') 0\nINCR s4",
    "EVAL redis.pcall('set','s3','1')redis.pcall('incr','s2')redis.call('rename','s2','s5') 0",
    "MULTI\nEVAL redis.call('set','s6',('6'):rep(300))redis.call('del','s3')error('ends') 0\nSET s7 1\nEXEC",
    /* functions; ` ends a line of their code */
    "FUNCTION LOAD #!lua\tname=one`redis.register_function('f',function(k)redis.call('set',k[1],('f'):rep(300))return\tredis.call('del','s7')end)",
    "FCALL f 1 f1\nFUNCTION LOAD #!lua\tname=two`redis.register_function('g',function()return\t1\tend)\nFUNCTION DELETE one",
    "MULTI\nFUNCTION LOAD REPLACE #!lua\tname=two`redis.register_function('h',function(k)return\tredis.call('set',k[1],'h')end)\nFCALL h 1 h1\nEXEC",
    "FUNCTION FLUSH",
    /* and one that a group would commit in parts */
    "EVAL for\ti=1,400\tdo\tredis.call('set','large'..i,('v'):rep(60))end 0",
    "EVAL for\ti=1,400\tdo\tredis.call('del','large'..i)end 0",
    /* one whose record does not fit a lane */
    LARGE_TRANSACTION,
    /* whole databases */
    "SELECT 1\nSET in1 {d*40}\nSET n 3\nSELECT 0",
    "SWAPDB 0 1",
    "SET n 4\nSWAPDB 1 0\nSET n 5",
    "SELECT 1\nFLUSHDB\nSELECT 0",
    "SET f {f*100}\nFLUSHDB\nSET f 1",
    "SELECT 3\nSET a {a*20000}\nSELECT 0",
    "FLUSHALL",
    "SET last {l*1000}",
    NULL,
};

#endif
