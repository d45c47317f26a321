// SPDX-License-Identifier: GPL-3.0-or-later
// The editor of one recipe field, made from its description: every kind edits the text that get_field and set_field speak. A value that
// is refused is said under the field, in the field's own words.
#pragma once

#include <QWidget>

#include "engine/config/recipe.h"

class QCheckBox;
class QComboBox;
class QLabel;
class QLineEdit;
class QToolButton;

namespace luthier {

class TargetChips;

class FieldEditor : public QWidget {
  Q_OBJECT

 public:
  FieldEditor(const FieldDescription& field, QWidget* parent = nullptr);

  const FieldDescription& field() const { return field_; }
  /// Shows a value that came from elsewhere; silent, and without touching what a person is typing.
  void show_value(const QString& value);
  QString value() const;
  void show_error(const QString& error);
  void set_changed(bool changed);
  /// Read-only while a run trains; text stays selectable.
  void set_locked(bool locked);
  QWidget* focus_target() const;
  /// What belongs under the field over the form's whole width, or null.
  QWidget* below() const;

 signals:
  /// `finished`: the person left the field or pressed Enter.
  void edited(const QString& value, bool finished);
  void reset_asked();

 private:
  QWidget* make_line(bool path);
  QWidget* make_choice();
  void browse();
  void retranslate();

  FieldDescription field_;
  QLineEdit* line_ = nullptr;
  QComboBox* combo_ = nullptr;
  QCheckBox* box_ = nullptr;
  TargetChips* chips_ = nullptr;
  QToolButton* browse_ = nullptr;
  QLabel* unit_ = nullptr;
  QLabel* error_;
  QToolButton* reset_;
};

}  // namespace luthier
