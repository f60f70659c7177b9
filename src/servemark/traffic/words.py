"""256 short, frequent English words: one token each in common tokenizers."""

from __future__ import annotations

from typing import Final

_TEXT = """
    able about across add again age air all alone along always among animal another any apple around
    ask baby bad ball base bear bed before behind bell best better big bird black blood board boat
    bone book bottom boy branch break bridge bring brother build burn buy cake came camp capital car
    care carry cat cause center chance change child choose city class clear climb close cloud cold
    color common cook copy corn cost count country cover cow cross cry cut dance day dead dear
    decide desert design direct doctor door double draw dress drink drop dry each ear earth east eat
    edge eight end engine enough ever every face fair fall far farm father fear feel feet field
    fight final find finger finish first fish floor flow fly food foot forest form four free friend
    from fruit full garden gas give glad gold good grass gray green group grow guide hair hand happy
    head hear heat heavy high hill hold hole hope horse hour human hundred ice idea iron island join
    jump keep key king know land language last late law lead leave leg length letter level life lift
    line list little live look lost love low main make many map market matter may measure meet metal
    middle milk mind minute miss money month more morning mother mountain move must name nature near
    need new night nine nose note number ocean office oil once only order other over page paint
    paper part pass past pay people person phrase piece place plan plane play point poor
"""

WORDS: Final = tuple(_TEXT.split())
