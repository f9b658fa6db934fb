#!/usr/bin/python3
"""The chart over a matrix of values: valid for two versions of Kubernetes, refused where a value is wrong, and in itself right."""

import re
import shutil
import subprocess
import tempfile
import pathlib
import unittest

import yaml

import chart
from chart import named, of_kind, pods, render, selects, template, value_files


def for_each_values(test):
    """Runs a test with the objects of each file of values."""

    def run(self):
        for file in value_files():
            with self.subTest(values=file.name):
                test(self, render(file))

    return run


class Matrix(unittest.TestCase):
    def test_lint_has_no_complaint(self):
        for file in value_files():
            with self.subTest(values=file.name):
                done = chart.helm("lint", "--strict", chart.CHART, "--kube-version", chart.NEWEST, "--values", file)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_every_object_is_valid_for_the_oldest_and_the_newest_kubernetes(self):
        schemas = chart.ROOT / ".deps/schemas"
        file = "{{.ResourceKind}}{{.KindSuffix}}.json"
        for version in (chart.OLDEST, chart.NEWEST):
            for values in value_files():
                with self.subTest(values=values.name, kubernetes=version):
                    done = subprocess.run(
                        [chart.BIN / "kubeconform", "-strict", "-verbose", "-kubernetes-version", version]
                        + ["-schema-location", f"{schemas}/{{{{.NormalizedKubernetesVersion}}}}/{file}"]
                        + ["-schema-location", f"{schemas}/resources/{file}"],
                        input=template(values, version).stdout, text=True, capture_output=True)
                    self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                    self.assertRegex(done.stdout, "is valid")
                    self.assertNotRegex(done.stdout, "(?i)skipped")

    def test_an_older_kubernetes_is_refused(self):
        done = template(value_files()[0], "1.30.0")
        self.assertIn("chart requires kubeVersion: >=1.31.0-0", done.stderr)

    @for_each_values
    def test_objects_have_names_of_their_own_that_fit(self, objects):
        self.check_names(objects)

    def test_names_fit_with_the_longest_name_of_a_release(self):
        objects = render(chart.HERE / "values/default.yaml", release="a" * 53)
        self.check_names(objects)

    def test_a_name_that_yaml_would_take_for_something_else_stays_one(self):
        for item in render(chart.HERE / "values/all.yaml", release="no"):
            self.assertEqual(item["metadata"]["labels"]["app.kubernetes.io/instance"], "no")

    def check_names(self, objects):
        names = [(item["kind"], item["metadata"]["name"]) for item in objects]
        self.assertEqual(len(names), len(set(names)))
        for item in of_kind(objects, "StatefulSet"):
            self.assertLessEqual(len(item["metadata"]["name"]), 52, "the controller adds eleven to a label of 63")
        for kind, name in names:
            self.assertLessEqual(len(name), 63, (kind, name))


class Rejected(unittest.TestCase):
    def test_wrong_values_are_refused_with_a_message_that_names_them(self):
        files = sorted((chart.HERE / "rejected").glob("*.yaml"))
        self.assertTrue(files)
        for file in files:
            with self.subTest(values=file.name):
                expected = re.match("# expected: (.*)", file.read_text())[1]
                done = template(file)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(expected, done.stderr)


class Pods(unittest.TestCase):
    @for_each_values
    def test_they_keep_to_the_restricted_level(self, objects):
        for _, pod in pods(objects):
            security = pod["securityContext"]
            self.assertIs(security["runAsNonRoot"], True)
            self.assertGreater(security["runAsUser"], 0)
            self.assertEqual(security["seccompProfile"], {"type": "RuntimeDefault"})
            self.assertFalse({"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(pod))
            for volume in pod["volumes"]:
                self.assertTrue({"emptyDir", "configMap", "persistentVolumeClaim", "secret"} & set(volume), volume)
            for container in pod["containers"]:
                self.assertEqual(container["securityContext"], {
                    "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}})

    @for_each_values
    def test_none_has_a_token_or_rights(self, objects):
        accounts = [item["metadata"]["name"] for item in of_kind(objects, "ServiceAccount")]
        for _, pod in pods(objects):
            self.assertIs(pod["automountServiceAccountToken"], False)
            self.assertIn(pod.get("serviceAccountName", accounts[0]), accounts)
        for item in of_kind(objects, "ServiceAccount"):
            self.assertIs(item["automountServiceAccountToken"], False)
        self.assertFalse(of_kind(objects, "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"))

    @for_each_values
    def test_a_worker_has_more_time_to_end_than_its_drain_takes(self, objects):
        pod = named(objects, "StatefulSet", "-worker")["spec"]["template"]["spec"]
        (drain,) = [flag for flag in pod["containers"][0]["args"] if flag.startswith("--drain-seconds=")]
        self.assertEqual(pod["terminationGracePeriodSeconds"], int(drain.split("=")[1]) + 15)

    @for_each_values
    def test_daemons_are_given_flags_that_they_have(self, objects):
        documented = (chart.ROOT / "docs/daemons.md").read_text()
        for item in of_kind(objects, "StatefulSet"):
            (container,) = item["spec"]["template"]["spec"]["containers"]
            section = documented.split(f"## paci-{container['name']}\n")[1].split("\n## ")[0]
            for flag in container["args"]:
                self.assertIn(f"| `{flag.split('=')[0]}` |", section)

    def test_each_worker_gets_its_device_beside_its_other_limits(self):
        objects = render(chart.HERE / "values/all.yaml")
        (container,) = named(objects, "StatefulSet", "-worker")["spec"]["template"]["spec"]["containers"]
        self.assertEqual(container["resources"]["limits"], {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": 1})
        self.assertIn("--device=cuda", container["args"])

    @for_each_values
    def test_each_shows_its_own_certificate_unless_that_is_off(self, objects):
        for labels, pod in pods(objects):
            (container,) = pod["containers"]
            secrets = [volume["secret"]["secretName"] for volume in pod["volumes"] if volume["name"] == "tls"]
            is_off = "--insecure" in container["args"]
            self.assertEqual(len(secrets), 0 if is_off else 1)
            self.assertNotEqual(is_off, "--tls-ca=/etc/paci/tls/ca.crt" in container["args"])
            for certificate in of_kind(objects, "Certificate"):
                component = certificate["metadata"]["labels"]["app.kubernetes.io/component"]
                self.assertEqual(component == labels["app.kubernetes.io/component"],
                                 certificate["spec"]["secretName"] in secrets)

    def test_certificates_say_the_role_or_the_name_that_is_dialled(self):
        objects = render(chart.HERE / "values/own-authority.yaml")
        for name, role in (("-client", "submit"), ("-worker", "worker")):
            self.assertEqual(named(objects, "Certificate", name)["spec"]["uris"], ["spiffe://paci/" + role])
        args = named(objects, "StatefulSet", "-worker")["spec"]["template"]["spec"]["containers"][0]["args"]
        (address,) = [flag.split("=")[1] for flag in args if flag.startswith("--coordinator=")]
        server = named(objects, "Certificate", "-coordinator")["spec"]
        self.assertIn(address.rsplit(":")[0], server["dnsNames"])
        self.assertNotIn("uris", server)

    def test_without_a_certificate_for_hooks_there_is_none(self):
        self.assertFalse(of_kind(render(chart.HERE / "values/secrets.yaml"), "Pod", "Job"))

    def test_the_files_of_jobs_lie_below_the_volumes(self):
        for values, roots in (("all", {"/checkpoints", "/data"}), ("default", {"/tmp"})):
            pod = named(render(chart.HERE / f"values/{values}.yaml"), "StatefulSet", "-worker")["spec"]["template"]["spec"]
            (container,) = pod["containers"]
            found = {flag.split("=")[1] for flag in container["args"] if flag.startswith("--root=")}
            self.assertEqual(found, roots)
            self.assertLessEqual(found, {mount["mountPath"] for mount in container["volumeMounts"]})

    def test_a_chart_of_another_version_alone_restarts_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            other = pathlib.Path(folder) / "paci"
            shutil.copytree(chart.CHART, other)
            text = (other / "Chart.yaml").read_text()
            (other / "Chart.yaml").write_text(re.sub(r"(?m)^version: .*", "version: 9.9.9", text))
            newer = render(chart.HERE / "values/default.yaml", other)
        ours = render(chart.HERE / "values/default.yaml")
        for suffix in ("-worker", "-coordinator"):
            self.assertEqual(named(ours, "StatefulSet", suffix)["spec"], named(newer, "StatefulSet", suffix)["spec"])


class Network(unittest.TestCase):
    @for_each_values
    def test_services_lead_to_ports_of_the_pods_that_they_select(self, objects):
        for service in of_kind(objects, "Service"):
            chosen = [pod for labels, pod in pods(objects) if selects(service["spec"]["selector"], labels)]
            self.assertEqual(len(chosen), 1, service["metadata"]["name"])
            ports = {port["name"]: port["containerPort"] for port in chosen[0]["containers"][0]["ports"]}
            for port in service["spec"]["ports"]:
                self.assertIn(port["targetPort"], ports)
                if service["spec"].get("clusterIP") == "None":
                    self.assertEqual(port["port"], ports[port["targetPort"]], "a headless service translates no ports")

    @for_each_values
    def test_a_stateful_set_is_governed_by_a_headless_service(self, objects):
        for item in of_kind(objects, "StatefulSet"):
            self.assertEqual(named(objects, "Service", item["spec"]["serviceName"])["spec"]["clusterIP"], "None")

    @for_each_values
    def test_monitors_find_services_with_that_port(self, objects):
        for monitor in of_kind(objects, "ServiceMonitor"):
            wanted = monitor["spec"]["selector"]["matchLabels"]
            found = [port["name"] for service in of_kind(objects, "Service") for port in service["spec"]["ports"]
                     if selects(wanted, service["metadata"]["labels"])]
            self.assertEqual(found.count(monitor["spec"]["endpoints"][0]["port"]), 1)

    def test_policies_let_in_who_should_and_nobody_else(self):
        objects = render(chart.HERE / "values/all.yaml")
        component = lambda name: {"podSelector": {"matchLabels": {
            "app.kubernetes.io/name": "paci", "app.kubernetes.io/instance": "paci", "app.kubernetes.io/component": name}}}
        values = yaml.safe_load((chart.HERE / "values/all.yaml").read_text())["networkPolicy"]
        policies = {name: named(objects, "NetworkPolicy", "-" + name)["spec"] for name in ("coordinator", "worker", "client")}
        for name, policy in policies.items():
            self.assertEqual(policy["podSelector"], component(name)["podSelector"])
            self.assertEqual(policy["policyTypes"], ["Ingress", "Egress"])
        metrics = {"ports": [{"port": 7071}], "from": values["metricsFrom"]}
        self.assertEqual(policies["coordinator"]["ingress"], [
            {"ports": [{"port": 7070}], "from": [component("worker"), component("client")] + values["rpcFrom"]}, metrics])
        self.assertEqual(policies["worker"]["ingress"], [{"ports": [{"port": 17071}], "from": [component("worker")]}, metrics])
        self.assertNotIn("ingress", policies["client"])
        self.assertNotIn("egress", policies["coordinator"])

    @for_each_values
    def test_every_pod_is_under_a_policy_if_there_are_any(self, objects):
        policies = of_kind(objects, "NetworkPolicy")
        for labels, _ in pods(objects):
            chosen = [item for item in policies if selects(item["spec"]["podSelector"]["matchLabels"], labels)]
            self.assertEqual(len(chosen), 1 if policies else 0, labels)


class Monitoring(unittest.TestCase):
    def render_with_files(self):
        with tempfile.TemporaryDirectory() as folder:
            other = pathlib.Path(folder) / "paci"
            shutil.copytree(chart.CHART, other)
            for name, text in (("rules/one_more.yml", self.RULES), ("dashboards/one_more.json", self.DASHBOARD)):
                (other / "files" / name).parent.mkdir(parents=True, exist_ok=True)
                (other / "files" / name).write_text(text)
            return render(chart.HERE / "values/all.yaml", other)

    RULES = """# Alerts.
groups:
  - name: example
    rules:
      - alert: Stalled
        expr: paci_job_state{state="running"} == 1 and on (job) changes(paci_job_updates[5m]) == 0
        annotations: {summary: "{{ $labels.job }} stands still: {{ $value | humanize }}"}
"""
    DASHBOARD = '{"title": "{{stage}}", "panels": [{"expr": "rate(x[$__rate_interval])\\n"}]}\n'

    def test_rules_and_dashboards_arrive_as_they_are(self):
        objects = self.render_with_files()
        self.assertEqual(named(objects, "PrometheusRule", "-one-more")["spec"], yaml.safe_load(self.RULES))
        self.assertEqual(named(objects, "ConfigMap", "-dashboard-one-more")["data"], {"one_more.json": self.DASHBOARD})

    def test_every_file_of_rules_and_dashboards_is_in_the_chart(self):
        objects = render(chart.HERE / "values/all.yaml")
        dashboards = [item for item in of_kind(objects, "ConfigMap") if "-dashboard-" in item["metadata"]["name"]]
        self.assertEqual(len(of_kind(objects, "PrometheusRule")), len(list(chart.ROOT.glob("deploy/prometheus/rules/*.yml"))))
        self.assertEqual(len(dashboards), len(list(chart.ROOT.glob("deploy/grafana/dashboards/*.json"))))


class MetricsTls(unittest.TestCase):
    def flags(self, objects, suffix):
        (container,) = named(objects, "StatefulSet", suffix)["spec"]["template"]["spec"]["containers"]
        return [flag for flag in container["args"] if flag.startswith("--metrics")]

    def secret_at(self, objects, suffix, path):
        """The Secret that is mounted where a file lies."""
        pod = named(objects, "StatefulSet", suffix)["spec"]["template"]["spec"]
        folder = path.rsplit("/", 1)[0]
        (volume,) = [mount["name"] for mount in pod["containers"][0]["volumeMounts"] if mount["mountPath"] == folder]
        (secret,) = [item["secret"]["secretName"] for item in pod["volumes"] if item["name"] == volume]
        return secret

    def test_it_is_off_unless_asked_for(self):
        objects = render(chart.HERE / "values/own-authority.yaml")
        for suffix in ("-coordinator", "-worker"):
            self.assertEqual(self.flags(objects, suffix), ["--metrics=0.0.0.0:7071"])
        for certificate in of_kind(objects, "Certificate"):
            self.assertNotIn("paci-metrics", certificate["spec"].get("dnsNames", []))

    def test_coordinator_and_workers_show_certificates_and_ask_for_tokens(self):
        for values, shown, tokens in (("all", {"-coordinator": "trainer-coordinator-tls", "-worker": "trainer-metrics-tls"}, "users"),
                                      ("secrets", {"-coordinator": "coordinator-tls", "-worker": "metrics-tls"}, None)):
            objects = render(chart.HERE / f"values/{values}.yaml")
            for suffix, secret in shown.items():
                flags = dict(flag.split("=") for flag in self.flags(objects, suffix))
                self.assertEqual(self.secret_at(objects, suffix, flags["--metrics-tls-cert"]), secret)
                self.assertEqual(self.secret_at(objects, suffix, flags["--metrics-tls-key"]), secret)
                file = flags.get("--metrics-token-file")
                self.assertEqual(file and self.secret_at(objects, suffix, file), tokens)

    def test_a_monitor_reads_them_by_the_name_of_the_certificate(self):
        objects = render(chart.HERE / "values/all.yaml")
        for suffix, certificate in (("-coordinator", "-coordinator"), ("-worker", "-metrics")):
            (endpoint,) = named(objects, "ServiceMonitor", suffix)["spec"]["endpoints"]
            shown = named(objects, "Certificate", certificate)["spec"]
            self.assertEqual(endpoint["scheme"], "https")
            self.assertIn(endpoint["tlsConfig"]["serverName"], shown["dnsNames"])
            self.assertEqual(endpoint["tlsConfig"]["ca"], {"secret": {"name": shown["secretName"], "key": "ca.crt"}})
            self.assertEqual(endpoint["authorization"], {"credentials": {"name": "prometheus", "key": "token"}})
        for monitor in of_kind(render(chart.HERE / "values/secrets.yaml"), "ServiceMonitor"):
            self.assertNotIn("authorization", monitor["spec"]["endpoints"][0])

    def test_the_coordinator_is_probed_in_a_way_that_is_answered(self):
        expected = {"default": {"grpc": {"port": 7070}},
                    "own-authority": {"httpGet": {"path": "/metrics", "port": "metrics", "scheme": "HTTP"}},
                    "secrets": {"httpGet": {"path": "/metrics", "port": "metrics", "scheme": "HTTPS"}},
                    "all": {"exec": {"command": ["pacictl", "--coordinator=localhost:7070", "--tls-ca=/etc/paci/tls/ca.crt",
                                                 "health"]}}}
        for values, probe in expected.items():
            pod = named(render(chart.HERE / f"values/{values}.yaml"), "StatefulSet", "-coordinator")["spec"]["template"]["spec"]
            for name in ("startupProbe", "readinessProbe", "livenessProbe"):
                self.assertLessEqual(probe.items(), pod["containers"][0][name].items(), values)


class Freshness(unittest.TestCase):
    def test_the_images_are_those_of_this_version(self):
        version = re.search(r"(?m)^project\(paci VERSION ([0-9.]+)", (chart.ROOT / "CMakeLists.txt").read_text())[1]
        self.assertEqual(yaml.safe_load((chart.CHART / "Chart.yaml").read_text())["appVersion"], version)

    def test_readme_and_copies_are_up_to_date(self):
        done = subprocess.run([chart.ROOT / "scripts/chart.py", "--check"], text=True, capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
