// SPDX-License-Identifier: GPL-3.0-or-later
// Chat templates against what transformers made of the same ones
// (tests/data/text/make_templates.py), their limits, and where a folder's template comes from.
#include <QTemporaryDir>
#include <QtTest>

#include <ctime>
#include <fstream>

#include "engine/io/files.h"
#include "engine/template/chat_template.h"

using namespace luthier;

class TestChatTemplate : public QObject {
  Q_OBJECT

  static std::string render(const std::string& source, const Json& variables = Json::object(),
                            const TemplateLimits& limits = {}) {
    const auto parsed = ChatTemplate::parse(source, "test");
    if (!parsed) return "REFUSED " + parsed.error().sentence();
    const auto rendered = parsed->render(variables, limits);
    return rendered ? rendered->text : "REFUSED " + rendered.error().sentence();
  }

 private slots:
  void equals_reference() {
    const auto document = read_json_file(std::string(LUTHIER_TEST_DATA) + "/text/templates.json");
    QVERIFY2(document.ok(), document.ok() ? "" : document.error().sentence().c_str());
    QVERIFY((*document)["cases"].size() >= 80);
    for (const Json& entry : (*document)["cases"]) {
      const std::string source = entry["template"].get<std::string>();
      Json variables = (*document)["base"];
      for (const auto& [name, value] : entry["variables"].items()) variables[name] = value;
      const auto parsed = ChatTemplate::parse(source, "test");
      const auto rendered =
          parsed ? parsed->render(variables) : Result<RenderedChat>(parsed.error());
      if (entry.contains("harmless")) {
        if (rendered)
          QVERIFY2(rendered->text.find("<class") == std::string::npos &&
                       rendered->text.find("uid=") == std::string::npos,
                   source.c_str());
        continue;
      }
      if (entry.contains("refused")) {
        QVERIFY2(!rendered.ok(), source.c_str());
        QVERIFY2(rendered.error().exit_status() == 2 &&
                     rendered.error().where.find("line ") != std::string::npos,
                 source.c_str());
        continue;
      }
      QVERIFY2(rendered.ok(),
               rendered ? "" : (source + "\n" + rendered.error().sentence()).c_str());
      if (rendered->text != entry["text"].get<std::string>()) {
        QFAIL(
            (source + "\nwanted: " + entry["text"].dump() + "\ngot: " + Json(rendered->text).dump())
                .c_str());
      }
      if (entry.contains("generation")) {
        Json ranges = Json::array();
        for (const auto& [begin, end] : rendered->generation) ranges.push_back({begin, end});
        QCOMPARE(ranges.dump(), entry["generation"].dump());
      }
    }
  }

  void own_exception_keeps_its_message() {
    const auto parsed = ChatTemplate::parse("a\nb{{ raise_exception('Roles must alternate') }}",
                                            "folder/chat_template.jinja");
    QVERIFY(parsed.ok());
    const auto rendered = parsed->render(Json::object());
    QVERIFY(!rendered.ok());
    QCOMPARE(rendered.error().what, std::string("Roles must alternate"));
    QCOMPARE(rendered.error().where, std::string("folder/chat_template.jinja: line 2"));
  }

  void generation_is_seen() {
    QVERIFY(ChatTemplate::parse("{% generation %}x{% endgeneration %}", "t")->has_generation());
    QVERIFY(!ChatTemplate::parse("{# generation #}x", "t")->has_generation());
  }

  void time_has_the_asked_form() { QVERIFY(render("{{ strftime_now('%Y') }}").size() == 4); }

  void bombs_data() {
    QTest::addColumn<QString>("source");
    const auto add = [](const char* name, const std::string& source) {
      QTest::newRow(name) << QString::fromStdString(source);
    };
    add("nested loops",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}x{% "
        "endfor %}{% endfor %}{% endfor %}");
    add("empty nested loops",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}");
    add("long string", "{{ 'x' * 99999999999 }}");
    add("long product", "{{ 'xxxxxxxxxx' * 9223372036854775807 }}");
    add("long list", "{{ ([1, 2, 3] * 999999999)|length }}");
    add("doubling",
        "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(200) %}{% set ns.s = ns.s ~ ns.s "
        "%}{% endfor %}");
    add("doubling list",
        "{% set ns = namespace(s=[1]) %}{% for i in range(200) %}{% set ns.s = ns.s + ns.s %}{% "
        "endfor %}");
    add("doubling by replace",
        "{% set ns = namespace(s='a') %}{% for i in range(200) %}{% set ns.s = ns.s|replace('a', "
        "'aa') %}{% endfor %}");
    add("doubling by join",
        "{% set ns = namespace(s='aa') %}{% for i in range(200) %}{% set ns.s = [ns.s, "
        "ns.s]|join(ns.s) %}{% endfor %}");
    add("shared tree printed",
        "{% set ns = namespace(s=[1]) %}{% for i in range(90) %}{% set ns.s = [ns.s, ns.s] %}{% "
        "endfor %}{{ ns.s }}");
    add("shared tree compared",
        "{% set ns = namespace(s=[1], t=[1]) %}{% for i in range(90) %}{% set ns.s = [ns.s, ns.s] "
        "%}{% set ns.t = [ns.t, ns.t] %}{% endfor "
        "%}{{ ns.s == ns.t }}");
    add("shared tree as JSON",
        "{% set ns = namespace(s=[1]) %}{% for i in range(90) %}{% set ns.s = [ns.s, ns.s] %}{% "
        "endfor %}{{ ns.s|tojson }}");
    add("deep list",
        "{% set ns = namespace(s=[]) %}{% for i in range(50000) %}{% set ns.s = [ns.s] %}{% endfor "
        "%}{{ ns.s }}");
    add("deep mapping",
        "{% set ns = namespace(s={}) %}{% for i in range(50000) %}{% set ns.s = {'a': ns.s} %}{% "
        "endfor %}");
    add("endless macro", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}");
    add("two endless macros",
        "{% macro a(x) %}{% if true %}{{ (((b(x)))) }}{% endif %}{% endmacro %}{% macro b(x) %}{% "
        "for i in [1] %}{{ a([x])|trim }}{% "
        "endfor %}{% endmacro %}{{ a(1) }}");
    add("wide text", "{{ 'x'.center(99999999999) }}");
    add("wide indent", "{{ 'a\nb\nc'|indent(9999999999) }}");
    add("wide format", "{{ '%999999999d' % 1 }}");
    add("large power", "{{ 9 ** 99999999999 }}");
    add("large batch", "{{ [1]|batch(9999999999, 0)|list }}");
    add("deep parentheses in a tag",
        "{{ " + std::string(50000, '(') + "1" + std::string(50000, ')') + " }}");
    add("deep brackets", "{{ " + std::string(50000, '[') + std::string(50000, ']') + " }}");
    add("many minus signs", "{{ " + std::string(50000, '-') + "1 }}");
    std::string ifs, sums = "{{ 1", filters = "{{ 1", nots = "{{ ", attributes = "{{ a";
    for (int i = 0; i < 20000; ++i) {
      ifs += "{% if 1 %}";
      sums += " + 1";
      filters += "|string";
      nots += "not ";
      attributes += ".a";
    }
    add("deep blocks", ifs);
    add("long sum", sums + " }}");
    add("long filter chain", filters + " }}");
    add("many nots", nots + "1 }}");
    add("many attributes", attributes + " }}");
    add("map of map", "{{ [[1]]|map('map', 'map', 'map')|list|string }}");
  }

  void bombs() {
    QFETCH(QString, source);
    const std::clock_t begin = std::clock();
    const std::string text = render(source.toStdString());
    QVERIFY2(text.starts_with("REFUSED"), text.substr(0, 200).c_str());
    QVERIFY(std::clock() - begin < 20 * CLOCKS_PER_SEC);
  }

  void limits_can_be_narrower() {
    TemplateLimits limits;
    limits.max_output = 10;
    QVERIFY(render("{{ 'x' * 11 }}", Json::object(), limits).starts_with("REFUSED"));
    QCOMPARE(render("{{ 'x' * 10 }}", Json::object(), limits), std::string(10, 'x'));
    limits = {};
    limits.max_steps = 50;
    QVERIFY(render("{% for i in range(30) %}{{ i }}{% endfor %}", Json::object(), limits)
                .starts_with("REFUSED"));
  }

  void kept_loop_object_is_harmless() {
    QVERIFY(render("{% set ns = namespace() %}{% for i in [1,2] %}{% set ns.l = loop %}{% endfor "
                   "%}{{ ns.l.index }}")
                .starts_with("REFUSED"));
    QCOMPARE(render("{% set ns = namespace() %}{% set ns.a = ns %}{{ ns.a.a is defined }}"),
             std::string("True"));
  }

  void folder_order() {
    QTemporaryDir directory;
    const std::filesystem::path folder = directory.path().toStdString();
    QVERIFY(!ChatTemplate::load(folder).ok());
    const auto source = [&] { return ChatTemplate::load(folder)->source(); };
    QVERIFY(
        write_file_atomically(
            folder / "tokenizer_config.json",
            R"({"chat_template": [{"name": "tool", "template": "x"}, {"name": "default", "template": "config"}]})")
            .ok());
    QCOMPARE(source(), std::string("config"));
    QVERIFY(
        write_file_atomically(folder / "processor_config.json", R"({"chat_template": "processor"})")
            .ok());
    QCOMPARE(source(), std::string("processor"));
    QVERIFY(
        write_file_atomically(folder / "chat_template.json", R"({"chat_template": "json"})").ok());
    QCOMPARE(source(), std::string("json"));
    QVERIFY(write_file_atomically(folder / "chat_template.jinja", "jinja").ok());
    QCOMPARE(source(), std::string("jinja"));
    QVERIFY(write_file_atomically(folder / "chat_template.jinja", "{% if %}").ok());
    const auto broken = ChatTemplate::load(folder);
    QVERIFY(!broken.ok() &&
            broken.error().where.find("chat_template.jinja: line 1") != std::string::npos);
  }
};

QTEST_APPLESS_MAIN(TestChatTemplate)
#include "test_chat_template.moc"
