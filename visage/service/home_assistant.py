"""Home Assistant's MQTT discovery: one device for each camera and one for each person seen.

Each payload goes to DISCOVERY/COMPONENT/UNIQUE_ID/config, retained. Unique ids contain the installation's id, so that
two installations with cameras of the same name are two devices. Entities are available while the daemon is connected
and, where they describe a picture, while their camera delivers pictures.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from visage import __version__

__all__ = ["Discovery"]

ORIGIN = {"name": "Visage", "sw_version": __version__}
PERSON_STATE = (
    "{% if value_json.names %}{{ (value_json.names | join(', '))[:255] }}"
    "{% elif value_json.strangers %}stranger{% else %}nobody{% endif %}"
)


@dataclass(frozen=True, slots=True)
class Discovery:
    """Makes the payloads of one installation.

    Attributes:
        prefix: Home Assistant's discovery prefix, by default `homeassistant`.
        installation: the installation's id, part of every unique id.
        base: the prefix of this installation's topics.
        pictures: whether pictures of recognised faces are published.
    """

    prefix: str
    installation: str
    base: str
    pictures: bool = False

    def camera(self, level: str, name: str) -> dict[str, str]:
        """Return the discovery topics of a camera with their payloads, JSON to be retained.

        Args:
            level: the camera's level in topics, of `MqttConfig.topic_level`.
            name: shown in Home Assistant.
        """
        topics = f"{self.base}/{level}"
        device: dict[str, object] = {
            "identifiers": [f"visage_{self.installation}_{level}"],
            "name": name,
            "manufacturer": "Visage",
        }
        entities: dict[str, tuple[str, str, dict[str, object]]] = {
            "presence": (
                "binary_sensor",
                "faces",
                {"device_class": "occupancy", "value_template": "{{ 'ON' if value | int(0) > 0 else 'OFF' }}"},
            ),
            "faces": ("sensor", "faces", {"state_class": "measurement", "icon": "mdi:face-recognition"}),
            "person": (
                "sensor",
                "person",
                {
                    "icon": "mdi:account",
                    "value_template": PERSON_STATE,
                    "json_attributes_topic": f"{topics}/person",
                },
            ),
            "connected": (
                "binary_sensor",
                "state",
                {
                    "device_class": "connectivity",
                    "entity_category": "diagnostic",
                    "value_template": "{{ 'ON' if value == 'running' else 'OFF' }}",
                },
            ),
        }
        payloads = {}
        for key, (component, topic, extra) in entities.items():
            # Whether a camera is connected is known also while it is not.
            needs = [f"{self.base}/status", *([] if key == "connected" else [f"{topics}/availability"])]
            payload = self._entity(f"{level}_{key}", key.capitalize(), f"{topics}/{topic}", needs, device, extra)
            payloads[self._topic(component, f"{level}_{key}")] = payload
        if self.pictures:
            payloads.update(self._picture(level, f"{topics}/picture", device))
        return payloads

    def person(self, person_id: str, name: str) -> dict[str, str]:
        """Return the discovery topics, with their payloads, of a person's presence in front of any camera."""
        topic = f"{self.base}/people/{person_id}"
        device: dict[str, object] = {
            "identifiers": [f"visage_{self.installation}_person_{person_id}"],
            "name": name,
            "manufacturer": "Visage",
        }
        extra: dict[str, object] = {
            "device_class": "occupancy",
            "icon": "mdi:account",
            "value_template": "{{ 'ON' if value_json.present else 'OFF' }}",
            "json_attributes_topic": topic,
        }
        key = f"person_{person_id}"
        confidence: dict[str, object] = {
            "state_class": "measurement",
            "unit_of_measurement": "%",
            "icon": "mdi:account-clock",
            "value_template": "{{ (value_json.confidence * 100) | round }}",
        }
        needs = [f"{self.base}/status"]
        payloads = {
            self._topic("binary_sensor", key): self._entity(key, "Presence", topic, needs, device, extra),
            self._topic("sensor", f"{key}_confidence"): self._entity(
                f"{key}_confidence", "Confidence", topic, needs, device, confidence
            ),
        }
        return {**payloads, **(self._picture(key, f"{topic}/picture", device) if self.pictures else {})}

    def _picture(self, key: str, topic: str, device: dict[str, object]) -> dict[str, str]:
        """An image entity, which has no state of its own."""
        extra: dict[str, object] = {"image_topic": topic, "content_type": "image/jpeg"}
        payload = self._entity(f"{key}_picture", "Picture", None, [f"{self.base}/status"], device, extra)
        return {self._topic("image", f"{key}_picture"): payload}

    def former(self, level: str) -> list[str]:
        """Return the topics that versions without an installation id used for a camera."""
        keys = {"presence": "binary_sensor", "faces": "sensor", "person": "sensor", "connected": "binary_sensor"}
        return [f"{self.prefix}/{component}/visage_{level}_{key}/config" for key, component in keys.items()]

    def _topic(self, component: str, key: str) -> str:
        return f"{self.prefix}/{component}/visage_{self.installation}_{key}/config"

    def _entity(
        self,
        key: str,
        name: str,
        state_topic: str | None,
        needs: list[str],
        device: dict[str, object],
        extra: dict[str, object],
    ) -> str:
        return json.dumps(
            {
                "name": name,
                "unique_id": f"visage_{self.installation}_{key}",
                **({} if state_topic is None else {"state_topic": state_topic}),
                "availability": [{"topic": topic} for topic in needs],
                "availability_mode": "all",
                "device": device,
                "origin": ORIGIN,
                **extra,
            }
        )
