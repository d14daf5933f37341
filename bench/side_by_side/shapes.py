"""Rule shapes: the same request against a short rule list and against very long ones.

Every request of a shape hits a rule of its own in turn, so the whole index is walked, not one warm
line of it. Residual rules (nothing an index could use: the pattern opens with a star) come first in
the file, where each of them has to be tried.
"""
from dataclasses import dataclass

from . import places


@dataclass(frozen=True)
class Shape:
    name: str
    title: str
    prefixes: int = 0
    hosts: int = 0
    residual: int = 0

    def rules(self):
        """Lines of `rules:`, in file order."""
        for number in range(self.residual):
            yield (f"      - {{ name: residual-{number:02}, conditions: {{ path_pattern: [\"*/archive-{number:02}.zip\"] }}, "
                   "fixed_response: { status_code: 410 } }")
        for host, path in self._pairs("*"):
            yield (f"      - {{ conditions: {{ host_header: [{host}], path_pattern: [{path}] }}, "
                   "jwt_validation: { user_pools: [bench] }, forward: backend }")

    def requests(self):
        """`host path`, one for each rule."""
        return [f"{host} {path}" for host, path in self._pairs("orders/17")]

    def request_file(self):
        places.RUN.mkdir(parents=True, exist_ok=True)
        file = places.RUN / f"{self.name}.requests"
        file.write_text("\n".join(self.requests()) + "\n")
        return file

    def _pairs(self, rest):
        for number in range(self.prefixes):
            yield "api.example.com", f"/service-{number:05}/{rest}"
        for number in range(self.hosts):
            yield f"tenant-{number:05}.example.com", f"/{rest}"


SHAPES = {
    shape.name: shape for shape in (
        Shape("rules-10", "10 rules", prefixes=10),
        Shape("rules-10-residual", "10 rules, 64 residual", prefixes=10, residual=64),
        Shape("prefixes-10000", "1 host, 10,000 prefixes, 64 residual", prefixes=10_000, residual=64),
        Shape("hosts-10000", "10,000 hosts, 64 residual", hosts=10_000, residual=64),
    )
}
