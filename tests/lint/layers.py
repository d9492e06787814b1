#!/usr/bin/env python3
"""Holds the tree to the house rules that a compiler does not know.

    tests/lint/layers.py [ROOT]

Reads common/CMakeLists.txt and services/CMakeLists.txt for who may see whom, then every C file of
common/ and services/. Each rule is one function in RULES; each finding is one line
`file:line: [rule] what is wrong`. Exit 1 when there is one. The rules are tried on a tree of their own by
tests/lint/test_layers.py.
"""
import re
import sys
from pathlib import Path

MAX_MAIN = 79  # lines of a daemon's main.c
MAX_FILE = 500
MAX_HEADER = 200
MAX_FUNCTION = 60  # from brace to brace

# Header of a foreign library -> the name by which common/CMakeLists.txt gives it a home.
FOREIGN = {
    r"expat(_\w+)?\.h": "expat",
    r"nng/.*": "nng",
    r"hiredis/.*|hiredis\.h": "hiredis",
    r"openssl/.*": "openssl",
    r"sqlite3\w*\.h": "sqlite3",
    r"libpq-fe\.h|postgresql/.*|pg_config.*": "libpq",
    r"libwebsockets\.h|lws_.*": "libwebsockets",
    r"uv\.h|uv/.*": "libuv",
    r"ares\w*\.h": "libcares",
    r"stringprep\.h|idna\.h|punycode\.h|pr29\.h|tld\.h": "libidn",
    r"idn2\.h": "libidn2",
    r"ini\.h": "inih",
    r"jansson\w*\.h": "jansson",
}
# What belongs to C11 and the operating system; anything else in <> is a foreign library.
SYSTEM = re.compile(
    r"(assert|complex|ctype|errno|fenv|float|inttypes|iso646|limits|locale|math|setjmp|signal|stdalign"
    r"|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|tgmath|threads|time|uchar"
    r"|wchar|wctype|dirent|endian|fcntl|fnmatch|getopt|glob|grp|ifaddrs|libgen|malloc|netdb|poll|pthread|pwd"
    r"|sched|semaphore|spawn|strings|syslog|termios|unistd)\.h|(sys|net|netinet|arpa|linux)/.*")

BANNED = {
    "strcpy": "memcpy with a length", "strcat": "struct buf", "sprintf": "snprintf",
    "vsprintf": "vsnprintf", "strtok": "span_find", "atoi": "span_to_u64", "atol": "span_to_i64",
    "gets": "fgets", "alloca": "an arena", "assert": "ASSERT, which stays on in release builds",
    "malloc": "mem_alloc", "calloc": "mem_calloc", "realloc": "mem_realloc", "strdup": "mem_strdup",
}
BANNED_CALL = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
MAY_ALLOCATE = "common/base/mem.c"

NAMESPACE = re.compile(r"^(jabber:|urn:xmpp:|urn:ietf:params:xml:ns:|https?://(etherx\.)?jabber\.org/)")
NAMESPACE_HOME = "common/xml/ns.h"
REDIS_KEY = re.compile(r"^jd:[a-z]+(:|$)")
REDIS_KEY_HOME = "common/redis/keys.def"

TOKEN = re.compile(r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.S)
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.M)


def blank(text, keep_strings):
    """`text` with comments (and strings) blanked out, every line where it was."""
    def hide(match):
        token = match.group()
        if token[0] == '"' and keep_strings:
            return token
        return re.sub(r"[^\n]", " ", token)
    return TOKEN.sub(hide, text)


class Source:
    """One C file, read once."""

    def __init__(self, root, path):
        self.path = path
        self.name = path.relative_to(root).as_posix()
        self.folder = path.parent.relative_to(root).as_posix()
        self.text = path.read_text(encoding="utf-8")
        self.lines = self.text.splitlines()
        self.code = blank(self.text, keep_strings=False)
        self.code_with_strings = blank(self.text, keep_strings=True)

    def line_at(self, offset):
        return self.text.count("\n", 0, offset) + 1

    def includes(self):
        """(line, name in quotes or None, name in <> or None)"""
        for match in INCLUDE.finditer(self.code_with_strings):
            yield self.line_at(match.start()), match.group(1), match.group(2)

    def strings(self):
        """(line, content) of each literal, but those of #include."""
        for match in TOKEN.finditer(self.text):
            if match.group()[0] == '"':
                begin = self.text.rfind("\n", 0, match.start()) + 1
                if not re.match(r"\s*#\s*include", self.text[begin:match.start()]):
                    yield self.line_at(match.start()), match.group()[1:-1]


class Tree:
    """Layers, daemons, homes of foreign libraries, and all sources."""

    def __init__(self, root):
        self.root = root
        self.layers = {}  # layer -> layers it names
        self.homes = {}  # foreign library -> layer
        self.daemons = {}  # daemon or command -> layers it names
        self.commands = set()  # those that are no daemon
        self.read_layers((root / "common/CMakeLists.txt").read_text(encoding="utf-8"))
        self.read_daemons((root / "services/CMakeLists.txt").read_text(encoding="utf-8"))
        files = [path for part in ("common", "services") for path in (root / part).rglob("*")]
        self.sources = [Source(root, path) for path in sorted(files)
                        if path.suffix in (".c", ".h", ".def") and "node_modules" not in path.parts]

    @staticmethod
    def arguments(text, command):
        """(first argument, {keyword: [values]}) of each call of a CMake function."""
        for match in re.finditer(command + r"\(([^)]*)\)", re.sub(r"#[^\n]*", "", text)):
            words = match.group(1).split()
            found, key = {}, None
            for word in words[1:]:
                if word in ("DEPS", "FOREIGN", "LIBS"):
                    key = word
                elif key:
                    found.setdefault(key, []).append(word)
            yield words[0], found

    def read_layers(self, text):
        for name, found in self.arguments(text, "jd_layer"):
            self.layers[name] = found.get("DEPS", [])
            for library in found.get("FOREIGN", []) + found.get("LIBS", []):
                self.homes[library] = name

    def read_daemons(self, text):
        for name, found in self.arguments(text, "jd_daemon"):
            self.daemons[name] = found.get("DEPS", [])
        # A command that is no daemon names its layers as libraries.
        for match in re.finditer(r"target_link_libraries\((\w+)([^)]*)\)", text):
            linked = re.findall(r"\bjd_(\w+)", match.group(2))
            if match.group(1) not in self.daemons:
                self.commands.add(match.group(1))
                self.daemons[match.group(1)] = [name for name in linked if name in self.layers]

    def reachable(self, names):
        seen, todo = set(), list(names)
        while todo:
            name = todo.pop()
            if name not in seen:
                seen.add(name)
                todo += self.layers.get(name, [])
        return seen

    def visible(self, source):
        """The layers a source may include from."""
        part, owner = source.folder.split("/")[:2] if "/" in source.folder else (source.folder, "")
        if part == "common":
            return self.reachable([owner])
        return self.reachable(self.daemons.get(owner, []))


def rule_layer(tree, source):
    """A layer or daemon includes only from layers it names, and theirs."""
    visible = tree.visible(source)
    for line, quoted, _ in source.includes():
        layer = quoted.split("/")[0] if quoted and "/" in quoted else None
        if quoted and ".." in quoted.split("/"):
            yield line, f'"{quoted}": include as "layer/file.h"'
        elif layer and layer in tree.layers and layer not in visible:
            yield line, f'"{quoted}": {source.folder} does not name the layer {layer}'
        elif layer and layer not in tree.layers:
            yield line, f'"{quoted}": {layer} is no layer'


def rule_service(tree, source):
    """A file next to the includer is the only one that may be included without a folder."""
    for line, quoted, _ in source.includes():
        if quoted and "/" not in quoted and not (source.path.parent / quoted).exists():
            yield line, f'"{quoted}" is not in {source.folder}: no service includes another'


def rule_foreign(tree, source):
    """Each foreign library has one home, and its public headers show nothing of it."""
    layer = source.folder.split("/")[1] if source.folder.startswith("common/") else None
    for line, _, header in source.includes():
        if not header or SYSTEM.fullmatch(header):
            continue
        library = next((lib for pattern, lib in FOREIGN.items() if re.fullmatch(pattern, header)), None)
        home = tree.homes.get(library)
        if not home or layer != home:
            yield line, f"<{header}>: its home is {'common/' + home if home else 'nowhere in this tree'}"
        elif source.path.suffix == ".h" and is_public(tree, source):
            yield line, f"<{header}> in a header that others include"


def is_public(tree, source):
    """Whether a header is included from outside its folder."""
    if source.path.name.endswith("_internal.h"):
        return False
    name = source.name.split("/", 1)[1]
    return any(other.folder != source.folder and f'"{name}"' in other.text for other in tree.sources)


def rule_internal(tree, source):
    """*_internal.h stays inside its folder."""
    for line, quoted, _ in source.includes():
        if quoted and quoted.endswith("_internal.h") and "/" in quoted:
            if "common/" + str(Path(quoted).parent) != source.folder:
                yield line, f'"{quoted}" is private to its folder'


def rule_size(tree, source):
    """Files, headers, main.c and functions stay small."""
    count = len(source.lines)
    limit = {".h": MAX_HEADER, ".c": MAX_FILE}.get(source.path.suffix)
    folder, _, owner = source.folder.partition("/")
    if folder == "services" and source.path.name == "main.c" and owner not in tree.commands:
        limit = MAX_MAIN
    if limit and count > limit:
        yield count, f"{count} lines; at most {limit}"
    begin = None
    for number, line in enumerate(source.code.splitlines(), 1):
        if line.startswith("{"):
            begin = number
        elif line.startswith("}") and begin:
            if number - begin + 1 > MAX_FUNCTION:
                yield begin, f"a function of {number - begin + 1} lines; at most {MAX_FUNCTION}"
            begin = None


def rule_banned(tree, source):
    """Calls that are not used here."""
    for match in BANNED_CALL.finditer(source.code):
        if source.name != MAY_ALLOCATE:
            yield source.line_at(match.start()), f"{match.group(1)}(): use {BANNED[match.group(1)]}"


def rule_typedef(tree, source):
    """`struct x` without typedef."""
    for match in re.finditer(r"\btypedef\s+(struct|union|enum)\b", source.code):
        yield source.line_at(match.start()), f"typedef of a {match.group(1)}"


def rule_namespace(tree, source):
    """XML namespaces are spelled in one table only."""
    if source.name != NAMESPACE_HOME:
        for line, text in source.strings():
            if NAMESPACE.search(text):
                yield line, f'"{text}": name it in {NAMESPACE_HOME}'


def rule_redis_key(tree, source):
    """Redis keys are spelled in one table only."""
    if source.name != REDIS_KEY_HOME:
        for line, text in source.strings():
            if REDIS_KEY.search(text):
                yield line, f'"{text}": name it in {REDIS_KEY_HOME}'


def rule_head(tree, source):
    """A file opens with a comment that says what it is for."""
    if not source.text.startswith("/*"):
        yield 1, "no comment at the head of the file"


RULES = {
    "layer": rule_layer,
    "service": rule_service,
    "foreign": rule_foreign,
    "internal": rule_internal,
    "size": rule_size,
    "banned": rule_banned,
    "typedef": rule_typedef,
    "namespace": rule_namespace,
    "redis-key": rule_redis_key,
    "head": rule_head,
}


def findings(root):
    """[(file, line, rule, message)] of the tree at `root`."""
    tree = Tree(root)
    return [(source.name, line, rule, message)
            for source in tree.sources
            for rule, check in RULES.items()
            for line, message in check(tree, source)], len(tree.sources)


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2]).resolve()
    found, count = findings(root)
    for name, line, rule, message in found:
        print(f"{name}:{line}: [{rule}] {message}")
    print(f"{count} files, {len(RULES)} rules, {len(found)} findings")
    return 1 if found or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
