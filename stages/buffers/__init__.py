"""Memory with an owner: fixed pools, leases, and the streams and events that order their use."""

from __future__ import annotations

from stages.buffers.device_session import DeviceSession
from stages.buffers.pool import BufferPool, Lease, PoolStatistics
from stages.buffers.stream import HOST_EVENT, Event, HostStream, Stream

__all__ = ["HOST_EVENT", "BufferPool", "DeviceSession", "Event", "HostStream", "Lease", "PoolStatistics", "Stream"]
