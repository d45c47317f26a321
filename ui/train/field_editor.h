// SPDX-License-Identifier: GPL-3.0-or-later
// The editor of one recipe field, made from its description: every kind edits the text that
// get_field and set_field speak. A value that is refused is said under the field, in the field's
// own words, over whatever stands there: no field moves for it.
#pragma once

#include <QLabel>
#include <QPointer>
#include <QWidget>

#include "engine/config/recipe.h"

class QCheckBox;
class QComboBox;
class QLineEdit;
class QAction;
class QToolButton;

namespace luthier {

class TargetChips;

/// The sentence under a field that is at fault: floats, and lets the mouse through.
class FieldError : public QLabel {
  Q_OBJECT

 public:
  explicit FieldError(QWidget* canvas);

 protected:
  void paintEvent(QPaintEvent* event) override;
};

class FieldEditor : public QWidget {
  Q_OBJECT

 public:
  /// `canvas`: what the error floats over, an ancestor of `parent`.
  FieldEditor(const FieldDescription& field, QWidget* canvas, QWidget* parent = nullptr);

  const FieldDescription& field() const { return field_; }
  /// The field as the recipe's kinds have it: its choices and its help.
  void show_as(const FieldDescription& chosen);
  /// Shows a value that came from elsewhere; silent.
  void show_value(const QString& value);
  /// Shows a text that is no value, as it was typed here or in another editor of the field.
  void show_draft(const QString& text);
  QString value() const;
  /// A person is at it: what stands there has not been left yet.
  bool is_being_typed() const;
  void show_error(const QString& error);
  QString error() const;
  /// Puts the error under the field, and hides it while the field that it would cover is used.
  void place_error();
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

 protected:
  bool eventFilter(QObject* watched, QEvent* event) override;

 private:
  void mark();
  QWidget* make_line(bool path);
  QWidget* make_choice();
  void fill_choices();
  void browse();
  void retranslate();

  FieldDescription field_;  ///< as the table has it
  std::string help_;
  std::vector<std::string> choices_;
  QLineEdit* line_ = nullptr;
  QComboBox* combo_ = nullptr;
  QCheckBox* box_ = nullptr;
  TargetChips* chips_ = nullptr;
  QToolButton* browse_ = nullptr;
  QLabel* unit_ = nullptr;
  QWidget* canvas_;
  QPointer<FieldError> error_;  ///< the canvas's, which may let it go first
  QAction* mark_ = nullptr;
  QToolButton* reset_;
};

}  // namespace luthier
