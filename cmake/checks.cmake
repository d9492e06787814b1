# Targets that look at the source without running it: format, format-check, tidy, cppcheck.
file(GLOB_RECURSE jd_sources CONFIGURE_DEPENDS
    ${CMAKE_SOURCE_DIR}/common/*.[ch] ${CMAKE_SOURCE_DIR}/services/*.[ch]
    ${CMAKE_SOURCE_DIR}/tests/*.[ch])
list(FILTER jd_sources EXCLUDE REGEX "/node_modules/")
set(jd_units ${jd_sources})
list(FILTER jd_units INCLUDE REGEX "/(common|services)/.*\\.c$")

add_custom_target(format COMMAND clang-format -i ${jd_sources} VERBATIM)
add_custom_target(format-check COMMAND clang-format --dry-run -Werror ${jd_sources} VERBATIM)
add_custom_target(tidy
    COMMAND ${CMAKE_SOURCE_DIR}/tests/lint/tidy.sh ${CMAKE_BINARY_DIR} ${jd_units}
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} VERBATIM)
add_custom_target(cppcheck
    COMMAND ${CMAKE_SOURCE_DIR}/tests/lint/cppcheck.sh ${CMAKE_BINARY_DIR}
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} VERBATIM)
