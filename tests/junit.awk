# Reads nextest's JUnit report; one line a test: `passed`, `flaky NAME`, `failed NAME`, or `skipped WHY` for a test that printed `SKIPPED: WHY`.
/<testcase / {
    open = 1; bad = 0; flaky = 0; why = ""
    name = $0; sub(/.*<testcase name="/, "", name); sub(/".*/, "", name)
}
open && /<(failure|error)[ >]/ { bad = 1 }
open && /<flakyFailure[ >]/ { flaky = 1 }
open && why == "" && /SKIPPED: / { why = $0; sub(/.*SKIPPED: /, "", why); sub(/<\/.*/, "", why) }
open && (/<\/testcase>/ || /<testcase [^>]*\/>/) {
    if (bad) print "failed " name; else if (why != "") print "skipped " why; else if (flaky) print "flaky " name; else print "passed"
    open = 0
}
