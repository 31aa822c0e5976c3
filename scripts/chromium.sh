# Finds a Chromium for the tests of the pages' layout, installs one where it may, and sets
# DEPTHPROF_TEST_CHROMIUM. Sourced by .ci/run.
# Where there is none and none can be installed it says so, and those tests are skipped by name.

find_chromium() {
    command -v chromium || command -v chromium-browser || command -v google-chrome || true
}

if [ -z "$(find_chromium)" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq >/dev/null 2>&1 || true
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium \
        fonts-dejavu-core >/dev/null 2>&1 || true
fi
if [ -n "$(find_chromium)" ]; then
    DEPTHPROF_TEST_CHROMIUM="$(find_chromium)"
    export DEPTHPROF_TEST_CHROMIUM
else
    echo "no Chromium here: the tests of the pages' layout are skipped" >&2
fi
