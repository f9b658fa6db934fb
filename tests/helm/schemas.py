#!/usr/bin/python3
"""Makes JSON schemas for kubeconform.

  schemas.py kubernetes SWAGGER FOLDER    of the OpenAPI document that Kubernetes publishes with its source
  schemas.py resources CRD... FOLDER      of CustomResourceDefinitions

An object takes no fields but its own, so that a misspelt one is an error. A kind's file is KIND-GROUP-VERSION.json, in lower
case, where GROUP is what stands before the first dot.
"""

import json
import pathlib
import sys

import yaml

# Where the document says "string" and the API server takes numbers, too.
NUMBER_OR_STRING = {"anyOf": [{"type": "string"}, {"type": "number"}]}
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"


def strict(schema):
    """A copy that takes no unknown fields and no OpenAPI extensions."""
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "int-or-string" or schema.get("x-kubernetes-int-or-string"):
        return NUMBER_OR_STRING
    copy = {}
    for key, value in schema.items():
        if key == "properties":
            copy[key] = {name: strict(field) for name, field in value.items()}
        elif key in ("items", "additionalProperties"):
            copy[key] = strict(value)
        elif key == "$ref":
            copy[key] = value.replace("#/definitions/", "definitions.json#/definitions/")
        elif not key.startswith("x-kubernetes-"):
            copy[key] = value
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        copy.setdefault("additionalProperties", False)
    return copy


def file_name(group, version, kind):
    return "-".join(part for part in (kind.lower(), group.split(".")[0], version) if part) + ".json"


def write(folder, name, schema):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(schema))


def convert_kubernetes(swagger, folder):
    definitions = json.loads(swagger.read_text())["definitions"]
    strict_ones = {name: strict(definition) for name, definition in definitions.items()}
    strict_ones[QUANTITY] = NUMBER_OR_STRING
    write(folder, "definitions.json", {"definitions": strict_ones})
    for name, definition in definitions.items():
        for kind in definition.get("x-kubernetes-group-version-kind", []):
            reference = {"$ref": "definitions.json#/definitions/" + name}
            write(folder, file_name(kind["group"], kind["version"], kind["kind"]), reference)


def convert_resource(crd, folder):
    spec = yaml.safe_load(crd.read_text())["spec"]
    for version in spec["versions"]:
        schema = strict(version["schema"]["openAPIV3Schema"])
        schema["properties"]["metadata"] = {"type": "object"}
        write(folder, file_name(spec["group"], version["name"], spec["names"]["kind"]), schema)


def main():
    if len(sys.argv) < 4 or sys.argv[1] not in ("kubernetes", "resources"):
        sys.exit(__doc__)
    *sources, folder = map(pathlib.Path, sys.argv[2:])
    convert = convert_kubernetes if sys.argv[1] == "kubernetes" else convert_resource
    for source in sources:
        convert(source, folder)


main()
