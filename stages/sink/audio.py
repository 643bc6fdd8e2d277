"""The sound of a source, copied packet by packet into another container, in step with its pictures."""

from __future__ import annotations

from collections.abc import Iterator

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from stages.decode.demux import Demuxer

__all__ = ["AudioCopy"]


JOINT_SECONDS = 1.0
"""A clock that goes back by more begins anew, as where two recordings were joined; by less it is a fault of one packet.
"""


class AudioCopy:
    """Reads the source a second time, for one audio stream; nothing is decoded. Owns that second reader.

    Attributes:
        has_gone_back: packets were passed over, because their times do not follow those before, as no container allows.
    """

    def __init__(self, uri: str, output: OutputContainer, *, stream_index: int | None = None) -> None:
        """
        Args:
            uri: the source as its decoder opens it.
            output: gets an audio stream, if the source has one; must not have begun.
            stream_index: which of the source's streams; the best of its sound if None.

        Raises:
            SourceError: the source can't be opened again.
            ValueError: the container takes no such audio.
        """
        self.has_gone_back = False
        self._demuxer = Demuxer(uri)
        streams = self._demuxer.container.streams
        self._source = streams.best("audio") if stream_index is None else streams[stream_index]
        self._packets: Iterator[Packet[AudioStream]] = iter(())
        self._origin_seconds = 0.0
        self._waiting: Packet[AudioStream] | None = None
        if isinstance(self._source, AudioStream):
            try:
                self._target = output.add_stream_from_template(self._source)
                if self._source.language is not None:
                    self._target.metadata["language"] = self._source.language
            except BaseException:
                self._demuxer.close()
                raise

    def start(self, pts_seconds: float) -> None:
        """The output's time 0 is this time of the source, in seconds as frames have it."""
        origin_pts, time_base = self._demuxer.origin_pts, self._demuxer.time_base
        self._origin_seconds = pts_seconds
        if origin_pts is not None and time_base is not None:
            self._origin_seconds += float(origin_pts * time_base)
        if pts_seconds > 0:
            self._demuxer.container.seek(round(self._origin_seconds * av.time_base))
        self._packets = self._shifted_packets()

    def until(self, seconds: float) -> Iterator[Packet[AudioStream]]:
        """The packets that begin before this time of the output and were not given yet; none before `start`."""
        packet = self._waiting or next(self._packets, None)
        while packet is not None and packet.pts is not None and float(packet.pts * packet.time_base) < seconds:
            yield packet
            packet = next(self._packets, None)
        self._waiting = packet

    def close(self) -> None:
        """Close the second reader; the first is the video's."""
        self._demuxer.close()

    def _shifted_packets(self) -> Iterator[Packet[AudioStream]]:
        if not isinstance(self._source, AudioStream):
            return
        last_dts: int | None = None
        behind = 0  # ticks by which the clock was set back at joints: pictures go on there as well
        try:
            for packet in self._demuxer.container.demux(self._source):
                if packet.pts is None or packet.dts is None:
                    continue
                if last_dts is not None and (last_dts - packet.dts - behind) * packet.time_base > JOINT_SECONDS:
                    behind = last_dts - packet.dts + (packet.duration or 1)
                packet.pts += behind
                packet.dts += behind
                if last_dts is not None and packet.dts <= last_dts:
                    self.has_gone_back = True
                    continue
                last_dts = packet.dts
                shift = round(self._origin_seconds / float(packet.time_base))
                packet.pts -= shift
                packet.dts -= shift
                if packet.pts >= 0:
                    packet.stream = self._target
                    yield packet
        except av.error.FFmpegError:
            return  # the file is broken here; its decoder finds that too and reports it
