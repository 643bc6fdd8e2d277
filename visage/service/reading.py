"""The daemon at one moment, for its metrics."""

from __future__ import annotations

from visage.assembly import Platform
from visage.observe.service_metrics import ServiceStatus
from visage.service.camera_manager import CameraManager
from visage.service.event_dispatcher import EventDispatcher
from visage.service.ledger import Ledger

__all__ = ["read_service"]


def read_service(cameras: CameraManager, ledger: Ledger, events: EventDispatcher, platform: Platform) -> ServiceStatus:
    """Return the service's state for its metrics. Safe from any thread. Raises sqlite3.Error."""
    return ServiceStatus(
        cameras=cameras.readings(),
        files={state.value: count for state, count in ledger.counts().items()},
        events={str(kind): count for kind, count in events.bus.counts().items()},
        outbox=events.outbox.depths(),
        outbox_dropped=events.outbox.dropped(),
        gpu_memory_bytes=platform.memory_bytes(),
        rejected=events.rejected(),
    )
