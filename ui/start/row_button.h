// SPDX-License-Identifier: GPL-3.0-or-later
// A line of a short list that does one thing when it is pressed: a name over what is known of it.
#pragma once

#include <QAbstractButton>

namespace luthier {

class RowButton : public QAbstractButton {
  Q_OBJECT

 public:
  RowButton(const QString& name, const QString& detail, QWidget* parent = nullptr);
  QSize sizeHint() const override;
  QSize minimumSizeHint() const override;

 protected:
  void paintEvent(QPaintEvent* event) override;
  void enterEvent(QEnterEvent*) override { update(); }
  void leaveEvent(QEvent*) override { update(); }

 private:
  QString name_, detail_;
};

}  // namespace luthier
