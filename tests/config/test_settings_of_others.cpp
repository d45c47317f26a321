// SPDX-License-Identifier: GPL-3.0-or-later
// A recipe of one kind with another's setting: each pair of a method (objective, optimizer) and a
// setting that is not its own is refused in the file and by --set, with the setting, whose it is
// and what was chosen. Only what recipes of before carried under every kind of that time stays.
#include <QtTest>

#include <algorithm>

#include "engine/config/kinds.h"

using namespace luthier;

namespace {

struct ListOfKinds {
  const char* key;  // of the recipe, which chooses among them
  std::vector<const Kind*> kinds;
  const std::vector<std::string> FieldDescription::*owners;
};

template <class Table>
std::vector<const Kind*> pointers(const Table& table) {
  std::vector<const Kind*> all;
  for (const auto& kind : table) all.push_back(&kind);
  return all;
}

std::vector<ListOfKinds> lists() {
  return {{"strategy", pointers(method_kinds()), &FieldDescription::strategies},
          {"objective", pointers(objective_kinds()), &FieldDescription::objectives},
          {"training.optim", pointers(optimizer_kinds()), &FieldDescription::optimizers}};
}

/// `key: value` in its section.
std::string yaml_line(const std::string& key, const std::string& value) {
  const auto dot = key.find('.');
  if (dot == std::string::npos) return key + ": " + value + "\n";
  return key.substr(0, dot) + ": {" + key.substr(dot + 1) + ": " + value + "}\n";
}

/// The setting as a kind that has it starts with it; a text where that is nothing.
std::string value_of(const RecipeField& field, const std::string& chooses,
                     const std::string& kind) {
  const auto recipe = parse_recipe("", "test.yaml", {chooses + "=" + kind});
  if (!recipe.ok()) return {};
  const std::string text = value_to_text(field.about, field.read(*recipe));
  return text.empty() ? "none.txt" : text;
}

}  // namespace

class TestSettingsOfOthers : public QObject {
  Q_OBJECT

 private slots:
  void each_is_refused_by_name() {
    int refused = 0, carried = 0;
    for (const ListOfKinds& list : lists()) {
      for (const RecipeField& field : recipe_field_table()) {
        const std::vector<std::string>& owners = field.about.*list.owners;
        if (owners.empty()) continue;
        const std::string& key = field.about.key;
        const std::string value = value_of(field, list.key, owners.front());
        QVERIFY2(!value.empty(), key.c_str());
        for (const Kind* kind : list.kinds) {
          if (std::find(owners.begin(), owners.end(), kind->name) != owners.end()) continue;
          const std::string chosen = yaml_line(list.key, kind->name);
          const std::string section = key.substr(0, key.find('.'));
          // Both in one section are one map.
          const std::string file =
              std::string(list.key).starts_with(section + ".")
                  ? section + ": {" + std::string(list.key).substr(section.size() + 1) + ": " +
                        kind->name + ", " + key.substr(section.size() + 1) + ": " + value + "}\n"
                  : chosen + yaml_line(key, value);
          for (const auto& made : {parse_recipe(file, "test.yaml"),
                                   parse_recipe(chosen, "test.yaml", {key + "=" + value})}) {
            if (field.older && kind->older) {
              ++carried;
              continue;
            }
            const std::string what = kind->name + std::string(" with ") + key + "=" + value;
            QVERIFY2(!made.ok(), what.c_str());
            const std::string sentence = made.error().sentence();
            for (const std::string& part :
                 {key + " belongs to ", owners.front(),
                  std::string(list.key) + " is " + kind->name + ".", std::string("test.yaml")})
              QVERIFY2(sentence.find(part) != std::string::npos, (what + ": " + sentence).c_str());
            ++refused;
          }
        }
      }
    }
    QVERIFY(refused > 1000);  // the loops have met something
    QVERIFY(carried > 0);
  }
};

QTEST_GUILESS_MAIN(TestSettingsOfOthers)
#include "test_settings_of_others.moc"
