// SPDX-License-Identifier: GPL-3.0-or-later
// Layout of a column's head.
#include "ui/compare/column_head.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QSlider>
#include <QToolButton>
#include <QVBoxLayout>

#include "ui/format.h"
#include "ui/language.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"

namespace luthier {

ColumnHead::ColumnHead(const AttachedAdapter* adapter, bool reference, QWidget* parent)
    : QFrame(parent) {
  const QString name = adapter ? QString::fromStdString(adapter->name) : QStringLiteral("base");
  setObjectName(QStringLiteral("head_") + name);
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(8, 6, 6, 6);
  layout->setSpacing(2);
  auto* row = new QHBoxLayout;
  row->setSpacing(6);
  auto* button = new QToolButton(this);
  button->setObjectName(QStringLiteral("reference_") + name);
  button->setAutoRaise(true);
  button->setFocusPolicy(Qt::StrongFocus);
  button->setCursor(Qt::PointingHandCursor);
  QFont font = scaled_font(1.0, true);
  button->setFont(font);
  row->addWidget(button);
  auto* note = muted_label(this, 0.85);
  note->setWordWrap(false);
  row->addWidget(note);
  row->addStretch(1);
  auto* drop = new QToolButton(this);
  if (adapter) {
    drop->setObjectName(QStringLiteral("drop_") + name);
    drop->setAutoRaise(true);
    set_themed_icon(drop, QStringLiteral("close"));
    row->addWidget(drop);
    connect(drop, &QToolButton::clicked, this, &ColumnHead::drop_asked);
  } else {
    drop->hide();
  }
  layout->addLayout(row);
  const bool whole = adapter && adapter->whole;
  if (adapter && !whole)
    add_strength(adapter->strength, name);
  else
    layout->addStretch(1);
  connect(button, &QToolButton::clicked, this, &ColumnHead::reference_asked);
  const QString size = adapter ? bytes_text(static_cast<std::int64_t>(adapter->bytes)) : QString();
  const QString summary = adapter ? QString::fromStdString(adapter->summary) + QLatin1Char('\n') +
                                        path_text(adapter->folder)
                                  : QString();
  on_language(
      this, [button, note, drop, name, size, summary, reference, whole, base = adapter == nullptr] {
        const QString shown = base ? tr("base") : name;
        button->setText(shown);
        button->setToolTip(summary.isEmpty()
                               ? tr("Make it the reference")
                               : tr("Make it the reference") + QLatin1Char('\n') + summary);
        button->setAccessibleName(tr("%1: make it the reference").arg(shown));
        QStringList words;
        if (reference) words << tr("reference");
        if (whole) words << tr("checkpoint");
        if (!size.isEmpty()) words << size;
        note->setText(words.join(QStringLiteral(" · ")));
        if (whole) note->setToolTip(tr("A whole checkpoint: loaded when it is asked, then let go"));
        drop->setToolTip(tr("Drop this column"));
        drop->setAccessibleName(tr("%1: drop this column").arg(shown));
      });
}

void ColumnHead::add_strength(double strength, const QString& name) {
  auto* row = new QHBoxLayout;
  auto* label = muted_label(this, 0.85);
  label->setWordWrap(false);
  auto* slider = new QSlider(Qt::Horizontal, this);
  slider->setObjectName(QStringLiteral("strength_") + name);
  slider->setRange(0, 200);
  slider->setPageStep(25);
  slider->setValue(static_cast<int>(strength * 100));
  auto* value = text_label(this);
  value->setFixedWidth(34);
  value->setAlignment(Qt::AlignRight | Qt::AlignVCenter);
  value->setText(QString::number(strength, 'f', 2));
  row->addWidget(label);
  row->addWidget(slider, 1);
  row->addWidget(value);
  static_cast<QVBoxLayout*>(layout())->addLayout(row);
  connect(slider, &QSlider::valueChanged, this, [this, slider, value](int now) {
    value->setText(QString::number(now / 100.0, 'f', 2));
    if (!slider->isSliderDown()) emit strength_chosen(now / 100.0);
  });
  connect(slider, &QSlider::sliderReleased, this,
          [this, slider] { emit strength_chosen(slider->value() / 100.0); });
  on_language(slider, [slider, label] {
    label->setText(tr("strength"));
    slider->setAccessibleName(tr("Strength of the adapter"));
    slider->setToolTip(tr("1 is as trained, 0 is the base"));
  });
}

void ColumnHead::paintEvent(QPaintEvent*) {
  QPainter p(this);
  p.fillRect(rect(), colours().card);
  p.setPen(colours().line);
  p.drawLine(width() - 1, 0, width() - 1, height());
  p.setPen(QPen(colours().line, 2));
  p.drawLine(0, height() - 1, width(), height() - 1);
}

}  // namespace luthier
