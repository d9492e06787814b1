#!/usr/bin/env python3
"""The lint itself: a small tree that keeps all rules passes; each violation put into it is found, by the
rule that is meant to find it and by no other."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

LINT = Path(__file__).with_name("layers.py")

CLEAN = {
    "common/CMakeLists.txt": "# jd_layer(no DEPS such)\njd_layer(base)\njd_layer(loop DEPS base FOREIGN libuv)\n"
                             "jd_layer(bus DEPS loop LIBS nng)\njd_layer(xml DEPS base FOREIGN expat)\n"
                             "jd_layer(redis DEPS loop)\n",
    "services/CMakeLists.txt": "jd_daemon(edge DEPS bus xml)\njd_daemon(router DEPS bus)\n"
                               "target_link_libraries(jackdawctl PRIVATE jd_flags jd_bus)\n",
    "common/base/mem.c": '/* Memory. */\n#include "base/mem.h"\n#include <stdlib.h>\nvoid *mem_alloc(void)\n'
                         "{\n    return malloc(1);\n}\n",
    "common/base/mem.h": "/* Memory. */\nvoid *mem_alloc(void);\n",
    "common/loop/loop.c": '/* Loop. sprintf(is only named here) */\n#include "base/mem.h"\n'
                          '#include "loop/loop_internal.h"\n#include <sys/types.h>\n'
                          'const char *text = "strcpy(a, b) /* no comment */";\n',
    "common/loop/loop.h": "/* Loop. */\nstruct loop;\n",
    "common/loop/loop_internal.h": "/* Loop, private. */\n#include <uv.h>\n",
    "common/bus/bus.c": '/* Bus. */\n#include "base/mem.h"\n#include "loop/loop.h"\n#include <nng/nng.h>\n',
    "common/xml/ns.h": '/* Namespaces. */\n#define NS_PING "urn:xmpp:ping"\n',
    "common/redis/keys.def": '/* Keys. */\nKEY(session, "jd:s:{%s}")\n',
    "services/edge/main.c": '/* Man page. */\n#include "edge.h"\n#include "xml/ns.h"\n',
    "services/edge/edge.h": "/* Edge. */\n",
    "services/router/main.c": '/* Man page. */\n#include "loop/loop.h"\n',
    "services/jackdawctl/main.c": '/* Man page. */\n#include "base/mem.h"\n',
}

HEAD = "/* Bad. */\n"
# name of the test: (file, content, rule, what the finding says)
VIOLATIONS = {
    "lower layer includes a higher one": (
        "common/base/bad.c", '#include "loop/loop.h"\n', "layer", "does not name the layer loop"),
    "layer includes one beside it": (
        "common/xml/bad.c", '#include "loop/loop.h"\n', "layer", "does not name the layer loop"),
    "daemon includes a layer it does not name": (
        "services/router/bad.c", '#include "xml/ns.h"\n', "layer", "does not name the layer xml"),
    "command includes a layer it does not link": (
        "services/jackdawctl/bad.c", '#include "xml/ns.h"\n', "layer", "does not name the layer xml"),
    "include that climbs": (
        "common/loop/bad.c", '#include "../base/mem.h"\n', "layer", 'include as "layer/file.h"'),
    "include of what is no layer": (
        "common/loop/bad.c", '#include "basement/mem.h"\n', "layer", "basement is no layer"),
    "service includes another by name": (
        "services/router/bad.c", '#include "edge.h"\n', "service", "no service includes another"),
    "service includes another by folder": (
        "services/router/bad.c", '#include "edge/edge.h"\n', "layer", "edge is no layer"),
    "foreign header in another layer": (
        "common/bus/bad.c", "#include <uv.h>\n", "foreign", "its home is common/loop"),
    "foreign header in a service": (
        "services/edge/bad.c", "#include <expat.h>\n", "foreign", "its home is common/xml"),
    "foreign header without a home": (
        "common/base/bad.c", "#include <openssl/evp.h>\n", "foreign", "nowhere in this tree"),
    "unknown library": (
        "common/base/bad.c", "#include <jansson.h>\n", "foreign", "nowhere in this tree"),
    "foreign header in a public header": (
        "common/loop/loop.h", "#include <uv.h>\n", "foreign", "in a header that others include"),
    "private header from another layer": (
        "common/bus/bad.c", '#include "loop/loop_internal.h"\n', "internal", "private to its folder"),
    "private header from a service": (
        "services/edge/bad.c", '#include "loop/loop_internal.h"\n', "internal", "private to its folder"),
    "long main": (
        "services/router/main.c", "\n" * 79, "size", "80 lines; at most 79"),
    "long file": (
        "common/base/bad.c", "\n" * 500, "size", "501 lines; at most 500"),
    "long header": (
        "common/base/bad.h", "\n" * 200, "size", "201 lines; at most 200"),
    "long function": (
        "common/base/bad.c", "void f(void)\n{\n" + "    ;\n" * 59 + "}\n", "size", "function of 61 lines"),
    "sprintf": ("common/base/bad.c", "void f(void)\n{\n    sprintf (a);\n}\n", "banned", "use snprintf"),
    "strcpy": ("services/edge/bad.c", "int x = strcpy(a, b);\n", "banned", "use memcpy"),
    "strcat": ("services/edge/bad.c", "int x = strcat(a, b);\n", "banned", "use struct buf"),
    "strtok": ("services/edge/bad.c", "int x = strtok(a, b);\n", "banned", "use span_find"),
    "atoi": ("services/edge/bad.c", "int x = atoi(a);\n", "banned", "use span_to_u64"),
    "gets": ("services/edge/bad.c", "int x = gets(a);\n", "banned", "use fgets"),
    "assert": ("services/edge/bad.c", "int x = assert(a);\n", "banned", "use ASSERT"),
    "malloc": ("services/edge/bad.c", "int x = malloc(a);\n", "banned", "use mem_alloc"),
    "typedef struct": ("services/edge/bad.h", "typedef struct x x;\n", "typedef", "typedef of a struct"),
    "namespace": ("services/edge/bad.c", 'const char *ns = "jabber:iq:roster";\n', "namespace", "ns.h"),
    "namespace by address": (
        "services/edge/bad.c", 'const char *ns = "http://jabber.org/protocol/muc";\n', "namespace", "ns.h"),
    "redis key": ("common/redis/bad.c", 'const char *key = "jd:s:x";\n', "redis-key", "keys.def"),
}


def run(tree):
    with tempfile.TemporaryDirectory() as folder:
        for name, content in tree.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        done = subprocess.run([sys.executable, LINT, folder], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.splitlines()[:-1]


class Lint(unittest.TestCase):
    def test_clean_tree_passes(self):
        self.assertEqual(run(CLEAN), (0, []))

    def test_each_violation_is_found(self):
        for name, (path, content, rule, says) in VIOLATIONS.items():
            with self.subTest(name):
                code, found = run({**CLEAN, path: HEAD + content})
                self.assertEqual(code, 1)
                self.assertEqual(len(found), 1, found)
                self.assertIn(path + ":", found[0])
                self.assertIn(f"[{rule}]", found[0])
                self.assertIn(says, found[0])

    def test_file_without_head_comment_is_found(self):
        code, found = run({**CLEAN, "common/base/bad.c": "int x;\n"})
        self.assertEqual((code, len(found)), (1, 1))
        self.assertIn("common/base/bad.c:1: [head]", found[0])

    def test_every_finding_counts(self):
        both = {"common/base/bad.c": HEAD + "#include <uv.h>\nint x = gets(a);\n"}
        self.assertEqual(len(run({**CLEAN, **both})[1]), 2)

    def test_empty_tree_fails(self):
        bare = {name: text for name, text in CLEAN.items() if name.endswith("CMakeLists.txt")}
        self.assertEqual(run(bare)[0], 1)


if __name__ == "__main__":
    unittest.main()
