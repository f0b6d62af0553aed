PRAGMA application_id = 1918986091;
PRAGMA user_version = 10;
BEGIN TRANSACTION;
CREATE TABLE documents (
        id INTEGER PRIMARY KEY,
        root_id INTEGER NOT NULL REFERENCES roots (id),
        source TEXT NOT NULL,
        raw_name BLOB NOT NULL,    -- the name's bytes below the root
        digest BLOB NOT NULL,      -- sha256 of the file
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL, -- with the size a cheap sign that nothing changed, no more
        media_type TEXT NOT NULL,
        reader_version INTEGER NOT NULL,
        chunker_version INTEGER NOT NULL,
        language TEXT,
        title TEXT,
        metadata TEXT NOT NULL,
        pages TEXT NOT NULL,       -- JSON list of offsets
        sections TEXT NOT NULL,    -- JSON list of [start, end, level, title]
        text BLOB NOT NULL,        -- zlib over UTF-8
        checksum INTEGER NOT NULL,
        born INTEGER NOT NULL,
        died INTEGER
    , blocks BLOB, links TEXT, text_checksum INTEGER);
INSERT INTO "documents" VALUES(1,1,'keys.md',X'6B6579732E6D64',X'B2852C4175F753BBC65C344258FE9C15585E12E56DF8A483B3D9A62F55C35229',114,1000000000000000000,'text/markdown',1,3,'en','Keys','{}','[]','[[0,114,1,"Keys"],[53,114,2,"Loss"]]',X'780115CB310E84300C44D1DEA718293D17818E62EB880C106D144BB15929B75F538EFEBC8495D344F67AF5DA2F7C63210F62A86767017F1C13D1E813254F5B4452C2A616EA73EBDBD1D418ECD570B666F09B284F103DCF7AC4253BB41F5CE40FA8D126C5',2718549804,1,NULL,X'78018B8E36D031D351CA484D4CC9CC4B57D2318CD589B6D03135D4512A482C4A4C2F4A2CC850D231000A9A1AEB9819202934028A9919E9181A1AA3298D0500E10717DB',NULL,2861970904);
INSERT INTO "documents" VALUES(2,1,'lunch.txt',X'6C756E63682E747874',X'B2BBFAE0BD3AB53C9F2EDC1F448BA47341A751CF16783B24CC4645E3A7BBF2CB',42,1000000000000000000,'text/plain',1,3,'en',NULL,'{}','[]','[]',X'7801F329CD4BCE50C82C56482C51C8CBCFCFD35308C9485528CE2F2D000BE6942756162B64E497E87101003A4E0E6C',578786424,1,2,X'78018B8E0500011500B9',NULL,26326612);
INSERT INTO "documents" VALUES(3,1,'lunch.txt',X'6C756E63682E747874',X'1B7778FFA29D7A9F2D08EE5C8EA63B4326882796DFE8E707E4620337E6FE9902',41,1000000000000000005,'text/plain',1,3,'en',NULL,'{}','[]','[]',X'7801F329CD4BCE50C82C56482C51C8CF4BD55308C9485528CE2F2D008BE5942756162B64E497E8710100284F0DF4',3611871974,2,NULL,X'78018B8E0500011500B9',NULL,3251227119);
CREATE TABLE expenses (
            day TEXT NOT NULL,         -- ISO 8601, UTC
            use TEXT NOT NULL,         -- query, rerank, check
            model TEXT NOT NULL,
            requests INTEGER NOT NULL,
            tokens INTEGER NOT NULL,
            cost_usd TEXT NOT NULL, checksum INTEGER,
            PRIMARY KEY (day, use, model)
        ) WITHOUT ROWID;
CREATE TABLE ledger (
        run INTEGER PRIMARY KEY,
        started TEXT NOT NULL,     -- ISO 8601, UTC
        model TEXT NOT NULL,
        texts INTEGER NOT NULL DEFAULT 0,
        tokens INTEGER NOT NULL DEFAULT 0,
        requests INTEGER NOT NULL DEFAULT 0,
        cost_usd TEXT NOT NULL DEFAULT '0'
    , counted INTEGER NOT NULL DEFAULT 0, reused INTEGER NOT NULL DEFAULT 0, reused_tokens INTEGER NOT NULL DEFAULT 0, pictures INTEGER NOT NULL DEFAULT 0, picture_tokens INTEGER NOT NULL DEFAULT 0, picture_usd TEXT NOT NULL DEFAULT '0', checksum INTEGER);
INSERT INTO "ledger" VALUES(1,'2026-11-25T06:56:49+00:00','local/all-minilm-l6-v2',2,35,0,'0',0,0,0,0,0,'0',3474694269);
INSERT INTO "ledger" VALUES(2,'2026-11-25T06:56:50+00:00','local/all-minilm-l6-v2',1,11,0,'0',0,0,0,0,0,'0',1781955692);
CREATE TABLE matrices (
            -- 1 is vectors.f32, n is vectors-n.f32; never given twice, since a reader of an old
            -- generation may still come for a file of that name
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            fingerprint TEXT NOT NULL,
            width INTEGER                -- null before its first vector
        , checksum INTEGER);
INSERT INTO "matrices" VALUES(1,'{"dimensions":null,"document_input_type":null,"document_prompt":"","model":"local/all-minilm-l6-v2","provider":"","query_input_type":null,"query_prompt":"","recipe":1}',384,3434896303);
CREATE TABLE passages (
        row INTEGER PRIMARY KEY,
        id INTEGER,                -- null until the sync that made it is complete
        document_id INTEGER NOT NULL REFERENCES documents (id),
        ordinal INTEGER NOT NULL,
        start INTEGER NOT NULL,
        "end" INTEGER NOT NULL,
        text TEXT NOT NULL,
        headings TEXT NOT NULL,    -- JSON list, outermost first
        page INTEGER,
        line INTEGER NOT NULL,
        tokens INTEGER NOT NULL,
        key BLOB NOT NULL,         -- sha256 of fingerprint and embedded text
        slot INTEGER,              -- row of vectors.f32; null when the model refused the text
        checksum INTEGER NOT NULL,
        born INTEGER NOT NULL,
        died INTEGER
    , image TEXT, table_header TEXT, boxes TEXT, encoded TEXT, masks TEXT);
INSERT INTO "passages" VALUES(1,1,1,0,0,113,'# Keys

Signing keys are rotated every ninety days.

## Loss

Whoever loses a key tells the duty officer at once.','["Keys"]',NULL,1,26,X'4C414A14787390EBC997DFFA180C8EEEB4E5C5A3A2019F45D93C8FCE26DC7797',0,7648027592,1,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "passages" VALUES(2,2,2,0,0,41,'Lunch is at noon. The soup is always hot.','[]',NULL,1,12,X'29ABE75A4FD33BB0C2845EB420BCC0CA65CB4999018457FE40CB7B117107D8E3',1,11078287631,1,2,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "passages" VALUES(3,3,3,0,0,40,'Lunch is at one. The soup is always hot.','[]',NULL,1,12,X'ACA579F8E07F29B331A856979EE9D4B7DA936BC0B6E29608C28B93074E3AACED',2,14683459638,2,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE problems (
        root_id INTEGER NOT NULL REFERENCES roots (id),
        source TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('failed', 'skipped', 'warning')),
        reason TEXT NOT NULL,
        size INTEGER,              -- null: to be tried again at the next sync
        mtime_ns INTEGER,
        reading_version INTEGER NOT NULL, of_model INTEGER NOT NULL DEFAULT 0, checksum INTEGER,
        PRIMARY KEY (root_id, source, kind, reason)
    ) WITHOUT ROWID;
INSERT INTO "problems" VALUES(1,'broken.pdf','failed','damaged PDF: Stream has ended unexpectedly',21,1000000000000000000,3548556931,0,1734098641);
CREATE TABLE roots (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        path TEXT NOT NULL,        -- relative to the collection where it can be, with /
        is_file INTEGER NOT NULL
    , checksum INTEGER);
INSERT INTO "roots" VALUES(1,'docs','../docs',0,1759615381);
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL, checksum INTEGER) WITHOUT ROWID;
INSERT INTO "settings" VALUES('base_url','""',3065631592);
INSERT INTO "settings" VALUES('calibration','{"version": 2, "fingerprint": "{\"dimensions\":null,\"document_input_type\":null,\"document_prompt\":\"\",\"model\":\"local/all-minilm-l6-v2\",\"provider\":\"\",\"query_input_type\":null,\"query_prompt\":\"\",\"recipe\":1}", "reach": null, "by_chance": 0.1, "passages": 2, "changed": 0}',2658472030);
INSERT INTO "settings" VALUES('coming_roots','[]',1009441801);
INSERT INTO "settings" VALUES('dialect','null',201476383);
INSERT INTO "settings" VALUES('fingerprint','"{\"dimensions\":null,\"document_input_type\":null,\"document_prompt\":\"\",\"model\":\"local/all-minilm-l6-v2\",\"provider\":\"\",\"query_input_type\":null,\"query_prompt\":\"\",\"recipe\":1}"',2265775910);
INSERT INTO "settings" VALUES('generation','2',3241050101);
INSERT INTO "settings" VALUES('input_type','null',1470475550);
INSERT INTO "settings" VALUES('matrix','1',1055574388);
INSERT INTO "settings" VALUES('model','"local/all-minilm-l6-v2"',657564919);
INSERT INTO "settings" VALUES('next_passage_id','4',163208823);
INSERT INTO "settings" VALUES('passage_tokens','100',2761358940);
INSERT INTO "settings" VALUES('profile','null',1816253094);
INSERT INTO "settings" VALUES('provider','null',4163759219);
INSERT INTO "settings" VALUES('staged','{}',1252730877);
INSERT INTO "settings" VALUES('words','"words-2"',701211131);
CREATE TABLE spending (
            run INTEGER NOT NULL REFERENCES ledger (run),
            root TEXT NOT NULL,        -- '' with the source '' for what belongs to no document
            source TEXT NOT NULL,
            texts INTEGER NOT NULL,
            tokens INTEGER NOT NULL,
            cost_usd TEXT NOT NULL, checksum INTEGER,
            PRIMARY KEY (run, root, source)
        ) WITHOUT ROWID;
INSERT INTO "spending" VALUES(1,'docs','keys.md',1,17,'0',2415609872);
INSERT INTO "spending" VALUES(1,'docs','lunch.txt',1,18,'0',2656246149);
INSERT INTO "spending" VALUES(2,'docs','lunch.txt',1,11,'0',571329712);
CREATE TABLE "vectors" (
            key BLOB PRIMARY KEY,
            matrix INTEGER NOT NULL REFERENCES matrices (number),
            slot INTEGER,              -- null when the model refused the text
            reason TEXT,
            checksum INTEGER,          -- crc32 of the row's bytes in the matrix
            UNIQUE (matrix, slot)
        ) WITHOUT ROWID;
INSERT INTO "vectors" VALUES(X'29ABE75A4FD33BB0C2845EB420BCC0CA65CB4999018457FE40CB7B117107D8E3',1,1,NULL,2656131548);
INSERT INTO "vectors" VALUES(X'4C414A14787390EBC997DFFA180C8EEEB4E5C5A3A2019F45D93C8FCE26DC7797',1,0,NULL,2823371424);
INSERT INTO "vectors" VALUES(X'ACA579F8E07F29B331A856979EE9D4B7DA936BC0B6E29608C28B93074E3AACED',1,2,NULL,1868455636);
CREATE INDEX documents_by_source ON documents (root_id, source);
CREATE INDEX documents_by_birth ON documents (born);
CREATE INDEX passages_by_document ON passages (document_id, ordinal);
CREATE INDEX passages_dead ON passages (died) WHERE died IS NOT NULL;
CREATE INDEX documents_dead ON documents (died) WHERE died IS NOT NULL;
CREATE INDEX passages_by_birth ON passages (born);
CREATE INDEX passages_with_image ON passages (row) WHERE image IS NOT NULL;
CREATE INDEX passages_by_id ON passages (id, slot, born, died);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('matrices',1);
COMMIT;
