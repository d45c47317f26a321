// SPDX-License-Identifier: GPL-3.0-or-later
// A few settings chosen out of all, a line each: which one, and its value or, for a sweep, several.
#pragma once

#include <QWidget>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "engine/config/recipe.h"

class QComboBox;
class QLineEdit;
class QToolButton;
class QVBoxLayout;

namespace luthier {

class SettingRows : public QWidget {
  Q_OBJECT

 public:
  /// Those of `recipe` that mean something in it and that `offered` says yes to. `name`: what the
  /// widgets' names begin with (NAMEField0, NAMEValue0, NAMERemove0, NAMEAdd).
  SettingRows(const QString& name, const Recipe& recipe,
              std::function<bool(const FieldDescription&)> offered, QWidget* parent = nullptr);
  /// A line for this setting; empty: for the first that has none.
  void add(const std::string& key = {});
  /// Key and text of each line, from above.
  std::vector<std::pair<std::string, std::string>> values() const;

 signals:
  void changed();

 private:
  struct Line {
    QWidget* holder;
    QComboBox* field;
    QLineEdit* value;
    QToolButton* remove;
  };
  void remove(QWidget* holder);
  void name_lines();

  QString name_;
  Recipe recipe_;
  std::vector<std::string> keys_;
  std::vector<Line> lines_;
  QVBoxLayout* layout_;
  QToolButton* add_;
};

}  // namespace luthier
