"""The recording engine tells what mocks don't see: the options of a registration."""

from unittest import mock

from pulumi.runtime.proto import alias_pb2, resource_pb2
from pulumi_recorder import Recording, _Monitor


def recorded(*requests: resource_pb2.RegisterResourceRequest) -> Recording:
    recording, answers = Recording(), mock.Mock()
    answers.new_resource.return_value = ("", {})
    for request in requests:
        _Monitor(answers, recording).RegisterResource(request)
    return recording


def test_an_old_name_or_place_of_a_resource_is_told() -> None:
    aliases = [alias_pb2.Alias(urn="urn:old"), alias_pb2.Alias(spec=alias_pb2.Alias.Spec(name="old"))]
    request = resource_pb2.RegisterResourceRequest(type="freelance:test:Part", name="new", aliases=aliases)
    (resource,) = recorded(request).resources
    assert resource.aliases == ("urn:old", "old")


def test_what_exists_before_a_resource_is_told_to_the_first_one() -> None:
    requests: list[resource_pb2.RegisterResourceRequest] = []
    earlier: list[str] = []
    for name in ("first", "second", "third"):
        request = resource_pb2.RegisterResourceRequest(type="freelance:test:Part", name=name, dependencies=earlier)
        requests.append(request)
        earlier = [resource.urn for resource in recorded(request).resources]
    recording = recorded(*requests)
    first, second, third = recording.resources
    assert third.depends_on == {second.urn}
    assert recording.before(third) == {first.urn, second.urn}
