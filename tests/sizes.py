"""Prints file and function sizes by room: median, 90th percentile, largest. Shown, not enforced."""

import ast
from pathlib import Path
from statistics import quantiles

ROOTS = ("crds/pilothouse_api", "operator/pilothouse", "operator/pilothouse_operator", "proxy/pilothouse_proxy")
FILE_LIMIT, FUNCTION_LIMIT = 500, 50


def functions(tree: ast.AST) -> list[tuple[str, int]]:
    """(name, lines) of every function, docstrings included."""
    return [
        (node.name, (node.end_lineno or node.lineno) - node.lineno + 1)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def figures(sizes: list[int]) -> str:
    """`p50 · p90 · max` of some line counts."""
    if len(sizes) < 2:
        return " · ".join(str(size) for size in sizes) or "–"
    cuts = quantiles(sizes, n=10, method="inclusive")
    return f"{cuts[4]:.0f} · {cuts[8]:.0f} · {max(sizes)}"


def main() -> None:
    """Walks the rooms and prints a table, then what is over its limit."""
    over: list[str] = []
    print(f"{'room':48} {'files':>5}  {'file lines':>16}  {'function lines':>16}")
    for root in map(Path, ROOTS):
        for room in [root, *sorted(path for path in root.rglob("*") if path.is_dir() and path.name != "__pycache__")]:
            files = sorted(room.glob("*.py"))
            if not files:
                continue
            lines, lengths = [], []
            for file in files:
                text = file.read_text()
                lines.append(text.count("\n"))
                found = functions(ast.parse(text))
                lengths += [length for _, length in found]
                over += [f"{file}:{name} {length}" for name, length in found if length > FUNCTION_LIMIT]
                if lines[-1] > FILE_LIMIT:
                    over.append(f"{file} {lines[-1]}")
            print(f"{room!s:48} {len(files):5}  {figures(lines):>16}  {figures(lengths):>16}")
    print(f"\nover {FILE_LIMIT} lines a file or {FUNCTION_LIMIT} a function:", *(over or ["none"]), sep="\n  ")


main()
