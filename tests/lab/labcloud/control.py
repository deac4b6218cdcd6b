# SPDX-License-Identifier: BSD-2-Clause
"""The control address: plain HTTP with JSON, for tests only.

GET   /settings /calls?since=N&action=A&who=W /snapshots /images /volumes /instances /faults /imds
POST  /set {setting: value}      change settings (state.DEFAULTS), answers all of them
      /reset {}                  settings to default, faults, calls and IMDS log forgotten
      /fault {action, kind ...}  order a fault (state.Fault); /faults {} forgets all, ends hangs,
                 answers what is held
      /instance {volumes: [{device, size_gib, type, encrypted, key, delete_on_termination}], tags,
                 zone, type}   running at once, of no image of ours
      /instance_facts {instance_id, facts}   what DescribeInstances shows besides moto's
      /add_volume {instance_id, size_gib, device}   makes and attaches one
      /plant {snapshots: [...], images: [...]}   what nobody made, of any age and owner (planted.py)
      /node {instance_id, dir}   the instance is node.py's in DIR: its map.json is kept in step, and
                 it goes through the instance's reboots (reboot.py; DIR/log/reboot.log)
      /restore {snapshots: [id]} -> {devices: {id: /dev/loopN}};  /release {devices: [...]}
      /damage {snapshot, device}   the snapshot has from now on what that device of /restore has
      /finish_snapshots {}       everything pending is completed now
      /hurry {}   volumes, attachments and instances are at once what they are on their way to
      /imds {forget_tokens: true} | {drop_credentials: true} | {expire_credentials: true}
      /iam {role: node|user|pruner|restore, policy: {...} or null}   what its keys may do from now on
           (iam.py); null, and the start: anything
      /listen {server: ec2|imds, on: bool}   refuse new connections, or take them again
      /calls {}                  forgets the log
"""
import json
import time
import urllib.parse

from . import attachments, launch_core, planted, volumes
from .httpd import Answer
from .wire import Ec2Error


def _about_cut(cut):
    if cut is None:
        return {"set": None}
    return {
        "set": cut.path.rsplit("/", 1)[1],
        "cut_begin_mono": cut.begin_mono,
        "cut_end_mono": cut.end_mono,
        "cut_begin_time": cut.begin_time,
        "cut_end_time": cut.end_time,
    }


class Control:
    def __init__(self, cloud):
        self.cloud = cloud

    def __call__(self, request):
        path, _, query = request.path.partition("?")
        try:
            name = f"{request.method.lower()}_{path.strip('/')}"
            function = getattr(self, name, None)
            if function is None or not path.strip("/").isidentifier():
                return self._json({"error": f"no {request.method} {path}"}, 404)
            if request.method == "GET":
                return self._json(function(dict(urllib.parse.parse_qsl(query))))
            return self._json(function(json.loads(request.body or b"{}")))
        except (ValueError, KeyError, TypeError, RuntimeError, OSError, Ec2Error) as error:
            return self._json({"error": f"{type(error).__name__}: {error}"}, 400)

    @staticmethod
    def _json(value, status=200):
        body = json.dumps(value, indent=1).encode() + b"\n"
        return Answer(status, body, {"Content-Type": "application/json"})

    # -- settings and faults -------------------------------------------------------------------

    def get_settings(self, _query):
        return self.cloud.settings.change({})

    def post_set(self, changes):
        result = self.cloud.settings.change(changes)
        if result["imds"]["mode"] == "refuse":
            self.cloud.imds_server.hush()
        else:
            self.cloud.imds_server.listen()
        return result

    def post_reset(self, _body):
        self.cloud.settings.reset()
        self.cloud.faults.clear()
        self.cloud.log.clear()
        self.cloud.imds.log.clear()
        self.cloud.iam.clear()
        self.cloud.imds_server.listen()
        self.cloud.ec2_server.listen()
        return {}

    def post_fault(self, order):
        self.cloud.faults.add(order)
        return {}

    def get_faults(self, _query):
        return self.cloud.faults.show()

    def post_faults(self, _body):
        self.cloud.faults.clear()
        return {}

    def post_listen(self, body):
        server = {"ec2": self.cloud.ec2_server, "imds": self.cloud.imds_server}[body["server"]]
        if body["on"]:
            server.listen()
        else:
            server.hush()
        return {}

    def post_hurry(self, _body):
        self.cloud.world.clock.hurry()
        return {}

    def post_imds(self, body):
        if body.get("forget_tokens"):
            self.cloud.imds.forget_tokens()
        if body.get("drop_credentials"):
            self.cloud.keyring.drop_role_key()
        if body.get("expire_credentials"):
            self.cloud.keyring.expire_role_key()
        return {}

    def post_iam(self, body):
        return self.cloud.iam.set(body["role"], body["policy"])

    def get_imds(self, _query):
        return [{"method": m, "path": p, "status": s} for m, p, s in self.cloud.imds.log]

    # -- what is there -------------------------------------------------------------------------

    def get_calls(self, query):
        return self.cloud.log.show(
            int(query.get("since", 0)), query.get("action"), query.get("who")
        )

    def post_calls(self, _body):
        self.cloud.log.clear()
        return {}

    def get_snapshots(self, _query):
        world = self.cloud.world
        with world.lock:
            return [
                {
                    "id": s.snapshot_id,
                    "volume": s.volume_id,
                    "state": s.state,
                    **_about_cut(s.cut),
                    "tags": {t["Key"]: t["Value"] for t in world.tags_of(s.snapshot_id)},
                }
                for s in world.snapshots.values()
                if world.is_ours(s)
            ]

    def get_images(self, _query):
        world = self.cloud.world
        with world.lock:
            return [
                {
                    "id": image.image_id,
                    "name": image.name,
                    "state": image.state,
                    "fields": image.fields,
                    "uefi_data": image.uefi_data,
                    "tags": {t["Key"]: t["Value"] for t in world.tags_of(image.image_id)},
                }
                for image in world.images.values()
            ]

    def get_volumes(self, _query):
        with self.cloud.world.lock:
            return self.cloud.dataplane.show_volumes()

    def get_instances(self, _query):
        world = self.cloud.world
        with world.lock:
            return {
                instance.id: {
                    "volumes": {d: b.volume_id for d, b in instance.block_device_mapping.items()},
                    "root": instance.root_device_name,
                    "reboots": world.reboots.get(instance.id, 0),
                }
                for instance in world.all_instances()
            }

    # -- making and restoring ------------------------------------------------------------------

    def post_instance(self, body):
        world = self.cloud.world
        with world.lock:
            zone = body.get("zone", self.cloud.settings.region + "a")
            disks = []
            for volume in body["volumes"]:
                order = {
                    "Size": volume.get("size_gib", 1), "VolumeType": volume.get("type", "gp3"),
                    "Encrypted": volume.get("encrypted"), "KmsKeyId": volume.get("key"),
                }
                gone = volume.get("delete_on_termination", volume["device"] == "/dev/sda1")
                order = volumes.check_order(world, order, None)
                disks.append((volume["device"], order, None, gone))
            subnet = world.moto.get_default_subnets()[zone]
            plan = launch_core.Plan(
                body.get("image", "ami-0123456789abcdef0"), body.get("type", "m6i.large"),
                subnet, disks,
            )
            plan.groups = [
                group.id for group in world.moto.groups[subnet.vpc_id].values()
                if group.name == "default"
            ]
            plan.metadata = {"HttpTokens": "required"}
            plan.tags = {"instance": body.get("tags", {})}
            instance_id = launch_core.start(world, plan, 1, 0)[0]
            world.last_instance = instance_id
            return self._instance(instance_id)

    def _instance(self, instance_id):
        world = self.cloud.world
        instance = world.instance(instance_id)
        shown = self.cloud.dataplane.show_volumes()
        return {
            "instance": instance_id,
            "volumes": [
                {"device": device, "volume": block.volume_id, "node": shown[block.volume_id][
                    "device"
                ]}
                for device, block in instance.block_device_mapping.items()
            ],
        }

    def post_instance_facts(self, body):
        world = self.cloud.world
        with world.lock:
            world.instance(body["instance_id"])
            facts = world.facts_of(body["instance_id"])
            facts.update(body["facts"])
            return facts

    def post_add_volume(self, body):
        world = self.cloud.world
        with world.lock:
            instance = world.instance(body["instance_id"])
            order = {"Size": body.get("size_gib", 1), "VolumeType": "gp3"}
            order = volumes.check_order(world, order, None)
            volume = volumes.make(world, world.zone_of(instance), order)
            volume.phase = "ready"
            attachments.attach(world, volume, instance, body["device"], seconds=0)
            device = self.cloud.dataplane.volumes[volume.volume_id].device
            return {"volume": volume.volume_id, "node": device}

    def post_plant(self, body):
        with self.cloud.world.lock:
            return planted.plant(self.cloud.world, body)

    def post_node(self, body):
        world = self.cloud.world
        with world.lock:
            world.instance(body["instance_id"])
            world.nodes.folders[body["instance_id"]] = body["dir"]
            world.nodes.write_map(body["instance_id"])
        return {}

    def post_restore(self, body):
        world = self.cloud.world
        with world.lock:
            devices = {}
            for snapshot_id in body["snapshots"]:
                snapshot = world.snapshots[snapshot_id]
                devices[snapshot_id] = self.cloud.dataplane.restore(
                    snapshot_id, snapshot.cut, snapshot.volume_id
                )
            return {"devices": devices}

    def post_damage(self, body):
        world, dataplane = self.cloud.world, self.cloud.dataplane
        with world.lock:
            snapshot = world.snapshots[body["snapshot"]]
            cut = dataplane.recut(snapshot.cut, snapshot.volume_id, body["device"])
            dataplane.use(cut)
            dataplane.drop(snapshot.cut)
            snapshot.cut = cut
        return {}

    def post_release(self, body):
        for device in body["devices"]:
            self.cloud.dataplane.release(device)
        return {}

    def post_finish_snapshots(self, _body):
        world = self.cloud.world
        with world.lock:
            for snapshot in world.snapshots.values():
                snapshot.start_mono = time.monotonic() - snapshot.snapshot_time_s - 1
        return {}
